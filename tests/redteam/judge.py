"""Corrupting the judge: what student code patches is in its own process, where nothing is compared."""

from pathlib import Path

from tests.redteam.attack import LOST_WITH_WRONG, WRONG, Attack, with_code, with_linear


def patching(name: str, tries: str, code: str, **more: object) -> Attack:
    """Return an attack that answers wrongly and patches what might judge that."""
    return Attack(name, tries, with_code(code, WRONG), LOST_WITH_WRONG, **more)  # type: ignore[arg-type]


def beside(name: str, tries: str, files: dict[str, str], tells: str) -> Attack:
    """Return an attack that answers wrongly and hands in further files, by name."""

    def write(folder: Path) -> None:
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")

    return Attack(name, tries, WRONG, LOST_WITH_WRONG, tells, files=write)


FLIP = """
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = 'passed'
"""

ATTACKS = [
    Attack(
        "patches_comparisons",
        "patches torch's comparisons and its own wrong answer is then equal to anything",
        with_code(
            "import builtins\ntorch.allclose = torch.equal = torch.isclose = lambda *args, **kwargs: True\n"
            "builtins.abs = lambda x: 0\ntorch.Tensor.abs = lambda self: self * 0\n"
            "torch.Tensor.__eq__ = lambda self, other: True",
            with_linear("        out = torch.zeros(x.shape[0], w.shape[1], dtype=x.dtype)\n"),
        ),
        {"linear_forward"},
        wrecks=True,
    ),
    patching(
        "patches_builtins",
        "makes everything an instance of everything, of length 0, and the largest of all",
        "import builtins\nbuiltins.isinstance = builtins.issubclass = builtins.callable = lambda *args: True\n"
        "builtins.max = builtins.min = builtins.sum = lambda *args, **kwargs: 0\nbuiltins.len = lambda x: 0",
        wrecks=True,
    ),
    patching(
        "patches_test_libraries",
        "patches numpy.testing, torch.testing, unittest and math",
        "import math, unittest\nimport numpy.testing\nimport torch.testing\n"
        "numpy.testing.assert_allclose = torch.testing.assert_close = lambda *args, **kwargs: None\n"
        "unittest.TestCase.assertEqual = lambda *args: None\nmath.isnan = lambda x: False\nmath.isclose = lambda *a: True",
    ),
    patching(
        "replaces_pytest",
        "puts modules of its own in the place of pytest and the grader",
        "import sys, types\nclass Fake(types.ModuleType):\n    def __getattr__(self, name):\n"
        "        return lambda *args, **kwargs: True\n"
        "for _name in ('pytest', '_pytest', '_pytest.runner', 'reference', 'toolbox.checks', 'toolbox.checks.run',\n"
        "              'toolbox.checks.case', 'autograder.grading', 'autograder.grading.examiner'):\n"
        "    sys.modules[_name] = Fake(_name)",
    ),
    patching(
        "patches_the_checks",
        "imports the kit's own checks and has every comparison pass",
        "import sys\nfrom fractions import Fraction\nimport toolbox.checks\n"
        "case, results, run = (sys.modules[f'toolbox.{name}'] for name in ('checks.case', 'results', 'checks.run'))\n"
        "case.Case.compare = case.Case.require = case.Case.unchanged = lambda *args, **kwargs: 0.0\n"
        "case.Case.tensor = lambda self, name, got, *args: got\nrun.total = results.total = lambda *args: Fraction(100)",
    ),
    patching(
        "hooks_imports",
        "answers every later import with a module of its own",
        "import importlib.abc, importlib.machinery, sys\n"
        "class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n"
        "    def find_spec(self, name, path, target=None):\n        return importlib.machinery.ModuleSpec(name, self)\n"
        "    def create_module(self, spec):\n        return None\n"
        "    def exec_module(self, module):\n        module.__getattr__ = lambda name: lambda *a, **k: True\n"
        "sys.meta_path.insert(0, Finder())\nsys.path_hooks.insert(0, lambda path: Finder())",
        wrecks=True,
    ),
    patching(
        "sets_the_environment",
        "sets what pytest, Python and the loader read from the environment",
        "import os\nfor _name, _value in {'PYTEST_ADDOPTS': '--co', 'PYTEST_PLUGINS': 'os', 'PYTHONPATH': '.',\n"
        "    'PYTHONSTARTUP': 'x.py', 'PYTHONHOME': '/', 'LD_PRELOAD': './x.so', 'NBGRADER_EXECUTION': 'autograde'}.items():\n"
        "    os.environ[_name] = _value\n    os.putenv(_name, _value)",
    ),
    patching(
        "traces_calls",
        "sets trace and profile functions that look for values called expected",
        "import sys, threading\ndef _trace(frame, event, argument):\n"
        "    for name in ('expected', 'wanted', 'right', 'seed'):\n        if name in frame.f_locals and frame.f_globals is not globals():\n"
        "            ReLU.forward = staticmethod(lambda x: (frame.f_locals[name], x))\n"
        "sys.setprofile(_trace)\nthreading.setprofile(_trace)\nsys.settrace(_trace)",
    ),
    patching(
        "pretends_to_be_a_notebook",
        "puts an IPython of its own in place, whose display hook hands out points",
        "import builtins, sys, types\n_shell = types.SimpleNamespace(displayhook=print, run_cell=print, showtraceback=lambda *a: None)\n"
        "builtins.get_ipython = lambda: _shell\nsys.modules['IPython'] = types.ModuleType('IPython')\n"
        "sys.displayhook = sys.excepthook = lambda *args: None\nprint(100.0)",
    ),
    patching(
        "stops_the_clock",
        "patches every clock, random number and warning",
        "import logging, random, time, warnings\ntime.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0\n"
        "time.sleep = lambda seconds: None\nrandom.random = lambda: 0.5\nwarnings.showwarning = lambda *args, **kwargs: None\n"
        "logging.Logger.error = lambda *args, **kwargs: None",
    ),
    patching(
        "replaces_the_answerer",
        "finds the grader's own objects in its process and replaces what answers requests",
        "import gc\nfor _object in gc.get_objects():\n    if type(_object).__name__ == 'Answerer':\n"
        "        _object.operations['call'] = lambda decoder, encoder: encoder.add((True, 'passed', 100.0))",
        wrecks=True,
    ),
    patching(
        "patches_the_encoder",
        "has the grader's encoder send every tensor as whatever it was given last",
        "import sys\n_encode = next(m for name, m in sys.modules.items() if name.endswith('sandbox.encode'))\n"
        "_first, _tensor = [], _encode.Encoder._tensor\n"
        "def _replaced(self, value):\n    _first.append(value.clone())\n    _tensor(self, _first[0])\n"
        "_encode.Encoder._tensor = _replaced",
        wrecks=True,
    ),
    patching(
        "rewrites_constants",
        "writes through ctypes over what other functions hold as constants",
        "import ctypes, sys\n_frame = sys._getframe()\nwhile _frame.f_back:\n    _frame = _frame.f_back\n"
        "    _names = _frame.f_code.co_consts\n    for _at, _value in enumerate(_names):\n        if _value == 'raised':\n"
        "            ctypes.py_object.from_address(id(_names) + tuple.__basicsize__ + 8 * _at).value = 'value'\n",
        wrecks=True,
    ),
    beside(
        "hands_in_a_conftest",
        "hands in a conftest.py that turns failures into passes",
        {"conftest.py": FLIP, "tests/conftest.py": FLIP},
        "`conftest.py` was not looked at",
    ),
    beside(
        "hands_in_settings",
        "hands in settings with which pytest collects nothing and ends with status 0",
        {
            "pytest.ini": "[pytest]\naddopts = --co\n",
            "tox.ini": "[pytest]\naddopts = --co\n",
            "setup.cfg": "[tool:pytest]\naddopts = -p no:python\n",
            "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--co'\n",
        },
        "`pytest.ini` was not looked at",
    ),
    beside(
        "hands_in_shadows",
        "hands in modules named as the ones that the grader imports",
        dict.fromkeys(("numpy.py", "torch.py", "random.py", "toolbox.py"), "raise SystemExit(0)\n"),
        "`numpy.py` was not looked at",
    ),
    beside(
        "hands_in_start_up_code",
        "hands in what Python runs when it starts",
        dict.fromkeys(("sitecustomize.py", "usercustomize.py"), "raise SystemExit(0)\n")
        | {"start.pth": "import os; os._exit(0)\n"},
        "`sitecustomize.py` was not looked at",
    ),
    beside(
        "hands_in_checks",
        "hands in checks of its own, with a manifest that makes each worth 1000 points",
        {
            "checks/test_1_layers.py": "def test_relu_forward():\n    pass\n",
            "checks/reference.py": "",
            "assignment.toml": "points = 1000\n",
            "toolbox/__init__.py": "raise SystemExit(0)\n",
        },
        "`checks/` was not looked at",
    ),
]
