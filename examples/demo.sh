#!/bin/sh
# The whole path in one go, on the stand-in data set: a course folder, a release, a class, its grades.
set -eu
bin=${1:?usage: examples/demo.sh VENV_BIN [COURSE]}
course=${2:-build/demo-course}
name=fully_connected_networks

echo "== a course folder: $course"
rm -rf "$course"
"$bin/autograder" init "$course" --from .
# The stand-in needs no download. A course of your own keeps cifar10 here.
sed -i.bak 's/^data = "cifar10"/data = "standin"/' "$course/course.toml" && rm "$course/course.toml.bak"
# One of the class loops for ever. The demo waits for it less long than a course should.
limits=$course/assignments/$name/assignment.toml
sed -i.bak 's/^check_seconds = 10/check_seconds = 5/; s/^after_timeout_seconds = 20/after_timeout_seconds = 5/' "$limits" && rm "$limits.bak"

echo
echo "== what students get"
"$bin/autograder" release $name --course "$course"

echo
echo "== what students hand in"
"$bin/python" examples/class_of_examples.py "$course" standin

echo
echo "== grading"
"$bin/autograder" grade $name --course "$course"

echo
echo "== what each student reads"
"$bin/autograder" feedback $name --course "$course"

here=$(cd "$course" && pwd)
programs=$(cd "$bin" && pwd)
echo
echo "== what a person reads: the written answers, in nbgrader's formgrader"
(cd "$here" && "$programs/nbgrader" autograde $name --log-level=WARN)

echo
echo "== where to look"
echo "What a student reads:  $here/feedback/regularised_once/$name/$name.html"
echo "The page of a cheater: $here/feedback/cheater/$name/$name.html"
echo "What students get:     $here/release/$name"
echo "One record a student:  $here/results/$name/"
echo "The scores as CSV:     $programs/autograder export $name --course $here"
echo "The written answers:   cd $here && $programs/jupyter lab"
echo "                       then menu Nbgrader, Formgrader, Manual Grading"
