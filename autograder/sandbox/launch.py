"""Starts a fresh interpreter that knows the kit's own packages and nothing else of the caller's.

No module search path is added: an editable installation's folder also holds the assignments with their
solutions.
"""

from __future__ import annotations

import importlib.util
import site
import sys
from pathlib import Path

# Loads packages from given folders under given names, then runs one function.
BOOTSTRAP = """
import importlib, importlib.util as util, json, sys
packages, module, function, arguments = json.loads(sys.argv[1])
for name, folder in packages:
    spec = util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
getattr(importlib.import_module(module), function)(*arguments)
"""

ENVIRONMENT = {
    # One thread per jail: many jails share the machine, and a process with threads cannot be forked safely.
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")},
    "MALLOC_ARENA_MAX": "2",  # each arena reserves 64 MB of address space, which is limited
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONHASHSEED": "0",  # sets of strings iterate in the same order in every run
    "MPLBACKEND": "agg",
    "LC_CTYPE": "C.UTF-8",
}


def command(module: str, function: str, arguments: list[object]) -> list[str]:
    """Return the command line that runs a function of this package in a fresh interpreter."""
    import json

    packages = [("autograder", str(Path(__file__).parents[1]))]
    spec = importlib.util.find_spec("toolbox")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        packages.append(("toolbox", str(Path(folder).absolute())))
    described = json.dumps([packages, module, function, arguments])
    user_site = [] if site.ENABLE_USER_SITE else ["-s"]
    # As -I, which would also ignore the environment; the environment is our own.
    return [sys.executable, "-P", "-B", *user_site, "-X", "utf8", "-c", BOOTSTRAP, described]


def environment() -> dict[str, str]:
    """Return the environment of that interpreter, built from nothing."""
    if site.ENABLE_USER_SITE:
        return {**ENVIRONMENT, "PYTHONUSERBASE": site.getuserbase()}
    return dict(ENVIRONMENT)
