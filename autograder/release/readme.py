"""The two small files that a release gets beside its notebook: a README and settings for nbgrader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.assignment import Assignment

README = """\
# {title}

{points}. Open `{notebook}` in JupyterLab, VS Code or Colab: it leads through the assignment.

{brought}## What to write

{tasks}

Look for `TODO`. Everything else in these files is given; keep the names and parameters as they are.
{forbidden}
## Check your work

    python -m toolbox check

runs the public checks, shows what each one measured, and says what to mend next; the notebook runs them
too. Grading uses the same checks with other numbers and other shapes. If you have nbgrader,
`nbgrader validate {notebook}` in this folder, or JupyterLab's Validate button if
JupyterLab was started here, names the checks that fail and the questions left unanswered; it runs no cell.

## Hand in

{files}

    python -m toolbox submit

packs them into `{archive}`, looks at each as grading will, runs the public
checks on what it packed, and says what to look at before you hand the zip in. Incomplete work is packed too.

Only these files are graded. Code in the notebook is not run again: what counts is what stands in the
modules and the saved models. Where the notebook asks for a written answer, a person reads it.

## Set up

Python 3.11 or newer. In this folder:

    python -m pip install numpy torch matplotlib tqdm pytest ipython jupyterlab

The data set, CIFAR-10, is downloaded once, when it is first needed. If you have it, let the environment
variable `CIFAR10_DIR` name the folder that holds `data_batch_1`. Without a network, `TOOLBOX_DATA=standin`
puts drawn images in its place: code can be tried on them, and no accuracy on them counts.
"""

BROUGHT = """\
**First copy your own `{module}` of the earlier assignment into this folder.** The code
here uses it, and it is handed in again. A mistake in it costs here only what uses the mistaken part; mend it here.

"""

STUDENT_CONFIG = '''\
"""Settings for `nbgrader validate`: it runs the public checks, and nothing of the notebook."""

import sys
from pathlib import Path

folder = str(Path(__file__).parent)
if folder not in sys.path:
    sys.path.append(folder)  # the toolbox lies there

from toolbox.validate import configure  # noqa: E402

configure(get_config())  # noqa: F821  nbgrader puts it here
'''


def readme(assignment: Assignment, tasks: Mapping[str, Sequence[str]]) -> str:
    """Return the README of a release; `tasks` are the things to write, by module."""
    return README.format(
        title=assignment.title,
        points=_points(assignment),
        notebook=assignment.files.notebook,
        brought="".join(BROUGHT.format(module=module) for module in assignment.files.brought),
        tasks="\n".join(_task_line(module, names) for module, names in tasks.items()),
        forbidden=_forbidden(assignment),
        files="\n".join(f"- `{name}`" for name in assignment.files.submitted),
        archive=f"{Path(assignment.files.notebook).stem}.zip",
    )


def _task_line(module: str, names: Sequence[str]) -> str:
    if not names:
        return f"- `{module}`: given"
    return f"- `{module}`: {', '.join(f'`{name}`' for name in dict.fromkeys(names))}"


def _forbidden(assignment: Assignment) -> str:
    if not assignment.forbidden.names:
        return ""
    names = ", ".join(f"`{name}`" + " of a tensor" * name.startswith(".") for name in assignment.forbidden.names)
    cost = "your grader is told" if assignment.forbidden.policy == "warn" else "a module that does scores nothing"
    return f"\nWhat you write may not use {names}: grading looks for them, and {cost}.\n"


def _points(assignment: Assignment) -> str:
    if not assignment.written:
        return f"{assignment.points} points"
    return f"{assignment.points} points for code and {assignment.written} for written answers"
