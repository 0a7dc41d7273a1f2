"""The process that runs the checks of a folder and says on its standard output, in lines of JSON, how they went.

    python -m toolbox.handin.worker DATA SECONDS STUCK

It runs in the folder of the assignment. DATA is a data set or "". If SECONDS go by without a result it ends
itself, from a thread that a loop in the student's code cannot hold up, and leaves in the file STUCK where it was.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

START_SECONDS = 180.0
"""For importing torch and the checks: cold disks and virus scanners take their time."""


def main() -> None:
    """Run the checks; the process ends in here, whatever threads the student's code has left."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # the one who started it says what there is to say
    name, seconds, stuck = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the student's code prints is not said on the channel

    def say(**what: Any) -> None:
        channel.write(json.dumps(what) + "\n")
        channel.flush()

    with open(stuck, "w", encoding="utf-8") as where:

        def patience(seconds: float) -> None:
            faulthandler.dump_traceback_later(seconds, file=where, exit=True)

        patience(START_SECONDS)
        try:
            _run(name, seconds, say, patience)
            say(done=True)
        except Exception as error:
            known = type(error).__name__ in ("ChecksBroken", "DataError", "ManifestError")
            say(broken=str(error) if known else f"{type(error).__name__}: {error}")
        os._exit(0)


def _run(name: str, seconds: float, say: Any, patience: Any) -> None:
    from toolbox import data
    from toolbox.checks.run import Setting, load_checks, run_checks
    from toolbox.checks.student import LocalBackend
    from toolbox.data import Data, DataError
    from toolbox.handin.files import find_manifest
    from toolbox.results import CheckResult

    folder = Path.cwd()
    manifest = find_manifest(folder)
    try:
        name = name or data.current()
    except ValueError as error:
        raise DataError(str(error)) from None
    missing: list[DataError] = []
    loaded: list[bool] = []

    def load() -> Data:
        """Load the data set; the first time, when it may be downloaded, no clock runs, and once missing it stays so."""
        if missing:
            raise missing[0]
        if not loaded:
            faulthandler.cancel_dump_traceback_later()
        try:
            return data.load(name, **asdict(manifest.images))
        except DataError as error:
            missing.append(error)
            raise
        finally:
            if not loaded:
                loaded.append(True)
                patience(seconds)

    def on_result(result: CheckResult) -> None:
        patience(seconds)
        say(result=result.as_json())

    setting = Setting(
        backend=LocalBackend(folder, manifest.files.modules),
        data=load,
        thresholds=dict(manifest.thresholds.get(name, {})),
    )
    checks = load_checks(folder / "checks")
    blank = [
        CheckResult(
            check.id,
            check.sentence,
            check.points,
            setting.thresholds.get(check.id, check.tolerance),
            "at least" if check.id in setting.thresholds else "at most",
            check.hint,
        )
        for check in checks
    ]
    say(checks=[result.as_json() for result in blank])
    patience(seconds)
    run_checks(folder / "checks", setting, on_result=on_result)


if __name__ == "__main__":
    main()
