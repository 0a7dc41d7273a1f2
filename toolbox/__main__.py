"""The student's command line: `python -m toolbox check [ID…]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from toolbox.checks.local import NoChecksHere, check_folder
from toolbox.checks.results import CheckResult
from toolbox.checks.run import ChecksBroken
from toolbox.checks.table import as_text
from toolbox.data import DataError
from toolbox.manifest import ManifestError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if every check passed, 1 if not, 2 if they could not be run."""
    parser = argparse.ArgumentParser(
        prog="python -m toolbox", description="Check your work. Start it in the folder of the assignment."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check",
        help="run the public checks on your modules",
        description="Run the public checks on the modules of this folder. Grading uses the same checks with other "
        "numbers and shapes.",
        epilog="Example: python -m toolbox check linear_forward relu_forward",
    )
    check.add_argument(
        "ids", nargs="*", metavar="ID", help="which checks, such as linear_forward; all if none is named"
    )
    check.add_argument("--folder", type=Path, help="the folder of the assignment (default: this one)")
    check.add_argument("--data", choices=("cifar10", "standin"), help="which data set (default: cifar10)")
    options = parser.parse_args(arguments)
    try:
        results = check_folder(options.ids, options.folder, options.data, _progress)
    except (NoChecksHere, ChecksBroken, DataError, ManifestError) as error:
        _clear()
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        _clear()
        print("Stopped.", file=sys.stderr)
        return 130
    _clear()
    print(as_text(results))
    return 0 if all(result.status == "passed" for result in results) else 1


def _progress(result: CheckResult) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{result.id}: {result.status}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
