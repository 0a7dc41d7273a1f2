"""The student's command line: `python -m toolbox check [ID…]` and `python -m toolbox submit`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from toolbox.console import printable

if TYPE_CHECKING:
    from toolbox.results import CheckResult


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    `check`: 0 if every check passed, 1 if not. `submit`: 0 if every file is there and readable, 1 if not.
    Both: 2 if there is nothing to work on, 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        return _submit(options) if options.command == "submit" else _check(options)
    except KeyboardInterrupt:
        _clear()
        _say("Stopped.", sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if (error.name or "toolbox").split(".")[0] == "toolbox":
            raise
        _say(f"Python does not find {error.name}: install it with python -m pip install {error.name}", sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m toolbox", description="Check and pack your work. Start it in the folder of the assignment."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
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
    submit = commands.add_parser(
        "submit",
        help="pack the files to hand in, and look at them as grading will",
        description="Pack the files that the assignment asks for into one zip, look at each as grading will, and run "
        "the public checks on what was packed, in a folder with nothing else of yours in it. Incomplete work is "
        "packed too. The exit status is 0 if every file is there and readable, whatever the checks say.",
        epilog="Example: python -m toolbox submit",
    )
    submit.add_argument(
        "--out", type=Path, metavar="FILE", help="the zip (default: the notebook's name with .zip, in the folder)"
    )
    submit.add_argument("--no-checks", action="store_true", help="only pack and look; do not run the checks")
    for command in (check, submit):
        command.add_argument("--folder", type=Path, help="the folder of the assignment (default: this one)")
        command.add_argument(
            "--data",
            choices=("cifar10", "standin"),
            help="which images (default: what the environment variable TOOLBOX_DATA says, else cifar10, which is "
            "looked for in the folder that CIFAR10_DIR names)",
        )
    return parser


def _check(options: argparse.Namespace) -> int:
    from toolbox.checks.local import NoChecksHere, check_folder
    from toolbox.checks.run import ChecksBroken
    from toolbox.data import DataError
    from toolbox.manifest import ManifestError
    from toolbox.results_table import as_text

    try:
        results = check_folder(options.ids, options.folder, options.data, _progress)
    except (NoChecksHere, ChecksBroken, DataError, ManifestError) as error:
        _clear()
        _say(str(error), sys.stderr)
        return 2
    _clear()
    _say(as_text(results))
    return 0 if all(result.status == "passed" for result in results) else 1


def _submit(options: argparse.Namespace) -> int:
    from toolbox.checks.local import NoChecksHere
    from toolbox.manifest import ManifestError
    from toolbox.submit import submit

    try:
        return submit(options.folder, options.data, options.out, checks=not options.no_checks, say=_say)
    except (NoChecksHere, ManifestError) as error:
        _say(str(error), sys.stderr)
        return 2


def _say(text: str, stream: TextIO | None = None) -> None:
    """Print a text, with plain signs where the console cannot show others."""
    stream = stream or sys.stdout
    print(printable(text, stream.encoding), file=stream, flush=True)


def _progress(result: CheckResult) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{result.id}: {result.status}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
