"""A folder and an environment that hold what was packed and what was given, and nothing else of the student's."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import toolbox
from toolbox.data.cifar10 import VARIABLE
from toolbox.manifest import Files

LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*")
NEEDED = ("numpy", "torch", "pytest", "matplotlib", "tqdm")


def make_clean_folder(clean: Path, folder: Path, files: Files, packed: Mapping[str, bytes]) -> None:
    """Lay out in an empty folder what was packed, the checks, the given modules and files, and this toolbox.

    The toolbox is copied: the folder it lies in may hold more of the student's modules.

    Raises:
        OSError: something cannot be copied.
    """
    for name, content in packed.items():
        (clean / name).write_bytes(content)
    for name in (*files.support, "assignment.toml"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, clean / name)
    for path in files.extra_in(folder):
        (clean / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, clean / path.relative_to(folder))
    if (folder / "checks").is_dir():
        shutil.copytree(folder / "checks", clean / "checks", ignore=LEFTOVERS)
    shutil.copytree(Path(toolbox.__file__).parent, clean / "toolbox", ignore=LEFTOVERS)


def clean_environment() -> dict[str, str]:
    """Return the environment without what changes how Python runs or what it finds.

    Of PYTHONPATH the folders that hold torch and its like stay: on some clusters they are found no other way.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_"))}
    specs = [importlib.util.find_spec(name) for name in NEEDED]
    homes = {Path(spec.origin).resolve().parents[1] for spec in specs if spec and spec.origin}
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in entries if entry and Path(entry).resolve() in homes]
    if kept:
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    if environment.get(VARIABLE):  # the process has another working folder
        environment[VARIABLE] = str(Path(environment[VARIABLE]).expanduser().absolute())
    return environment | {
        "PYTHONUTF8": "1",  # as in grading
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",  # a figure shown by a module must not wait for its window to be closed
    }
