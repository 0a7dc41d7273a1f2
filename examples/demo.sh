#!/bin/sh
# The whole path in one go, on the stand-in data set: a course folder, its releases, a class, its grades.
set -eu
bin=${1:?usage: examples/demo.sh VENV_BIN [COURSE]}
course=${2:-build/demo-course}
first=fully_connected_networks
names="$first convolutional_networks binary_mlp linear_to_convolutional feature_mlp"

echo "== a course folder: $course"
rm -rf "$course"
"$bin/autograder" init "$course" --from .
# The stand-in needs no download. A course of your own keeps cifar10 here.
sed -i.bak 's/^data = "cifar10"/data = "standin"/' "$course/course.toml" && rm "$course/course.toml.bak"
# Some of the class loop for ever. The demo waits for them less long than a course should.
for name in $names; do
  limits=$course/assignments/$name/assignment.toml
  sed -i.bak 's/^check_seconds = [0-9]*/check_seconds = 3/; s/^after_timeout_seconds = [0-9]*/after_timeout_seconds = 3/' "$limits"
  rm "$limits.bak"
done

echo
echo "== what students get"
for name in $names; do "$bin/autograder" release $name --course "$course"; done

echo
echo "== what students hand in"
"$bin/python" -m examples.class_of_examples "$course" standin

for name in $names; do
  echo
  echo "== grading: $name"
  "$bin/autograder" grade $name --course "$course"
done

echo
echo "== what each student reads"
for name in $names; do "$bin/autograder" feedback $name --course "$course"; done

here=$(cd "$course" && pwd)
programs=$(cd "$bin" && pwd)
echo
echo "== what a person reads: the written answers, in nbgrader's formgrader"
(cd "$here" && "$programs/nbgrader" autograde $first --log-level=WARN)  # formgrader's button does it for the others

echo
echo "== where to look"
echo "What a student reads:  $here/feedback/regularised_once/$first/$first.html"
echo "The page of a cheater: $here/feedback/cheater/$first/$first.html"
echo "What students get:     $here/release/$first"
echo "One record a student:  $here/results/$first/"
echo "The scores as CSV:     $programs/autograder export $first --course $here"
echo "The written answers:   cd $here && $programs/jupyter lab"
echo "                       then menu Nbgrader, Formgrader, Manual Grading"
