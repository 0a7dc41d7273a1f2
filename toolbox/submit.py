"""Packing what is handed in, and saying what a student should know before handing it in."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from toolbox.handin.archive import NotOurs, pack
from toolbox.handin.files import (
    Look,
    check_ids,
    find_manifest,
    module_problem,
    read_files,
    size_limits,
    size_text,
)
from toolbox.handin.model import model_problem
from toolbox.handin.notebook import look_at_notebook
from toolbox.handin.watched import Outcome, run_alone
from toolbox.manifest import Manifest
from toolbox.results import CheckResult
from toolbox.results_table import row, summary

WIDTH = 100


def submit(
    folder: Path | None = None,
    dataset: str | None = None,
    out: Path | None = None,
    *,
    checks: bool = True,
    say: Callable[[str], None] = print,
) -> int:
    """Pack the files that an assignment names into a zip, look at them as grading will, and run the checks on them.

    Args:
        folder: the assignment's folder; this one by default.
        dataset: for the checks: "cifar10" or "standin"; None for what TOOLBOX_DATA chose.
        out: the zip, or the folder it goes to; by default it is named as the notebook and goes to `folder`.
        checks: whether to run the checks.
        say: called with each line that the student should see.

    Returns:
        0 if every file is there and readable, whatever the checks say; 1 if not.

    Raises:
        NoChecksHere: the folder is not that of an assignment.
        ManifestError: its `assignment.toml` cannot be used.
    """
    folder = (folder or Path.cwd()).resolve()
    manifest = find_manifest(folder)
    files, problems = read_files(folder, manifest)
    path = _target(folder, manifest, out)
    unwritten = "" if files else "There is nothing to hand in here, so no zip is written."
    if unwritten and path.is_file():
        unwritten += f" {path.name} is from an earlier time: do not hand it in."
    if path.name in manifest.files.submitted:
        unwritten = f"{path.name} is a file that is handed in; give the zip another name with --out."
    if not unwritten:
        try:
            files = pack(path, files)
        except NotOurs as error:
            unwritten = str(error)
        except OSError as error:
            unwritten = f"{path} cannot be written: {error.strerror or error}."
    looks = [_look(name, files.get(name), problems.get(name, ""), folder, manifest) for name in size_limits(manifest)]
    for line in _table(looks):
        say(line)
    if unwritten:
        say(f"\n{unwritten}")
        return 1
    about = _about(path, len(files))
    try:
        outcome = _check(folder, manifest, files, dataset, say) if checks else Outcome()
    except KeyboardInterrupt:
        say(f"\nThe checks did not come to an end; {path} holds your files all the same.")
        raise
    say(f"\n{about}")
    say(_next_step(path, looks, outcome))
    return 1 if any(look.problem for look in looks) else 0


def _target(folder: Path, manifest: Manifest, out: Path | None) -> Path:
    name = f"{Path(manifest.files.notebook).stem}.zip"
    if out is None:
        return folder / name
    out = out.expanduser().absolute()
    return out / name if out.is_dir() else out


def _look(name: str, content: bytes | None, problem: str, folder: Path, manifest: Manifest) -> Look:
    """Look at a file as it was packed."""
    if content is None:
        return Look(name, None, problem)
    remarks: tuple[str, ...] = ()
    if name == manifest.files.notebook:
        problem, remarks = look_at_notebook(content, check_ids(folder / "checks"), manifest.written)
    elif name in manifest.files.modules:
        problem = module_problem(name, content)
    else:
        problem = model_problem(name, content)
    return Look(name, len(content), problem, remarks)


def _table(looks: Sequence[Look]) -> list[str]:
    """Return a line for each file, and below it what there is to look at."""
    names = max(len(look.name) for look in looks)
    sizes = ["" if look.size is None else size_text(look.size) for look in looks]
    lines = []
    for look, size in zip(looks, sizes, strict=True):
        mark = "✗" if look.problem else "–" if look.remarks else "✓"
        start = f"{mark}  {look.name:<{names}}  {size:>{max(map(len, sizes))}}  "
        texts = [look.problem] if look.problem else [*look.remarks] or ["ok"]
        for number, text in enumerate(texts):
            lines += textwrap.wrap(
                text,
                WIDTH,
                initial_indent=" " * len(start) if number else start,
                subsequent_indent=" " * len(start),
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines


def _check(
    folder: Path, manifest: Manifest, files: dict[str, bytes], dataset: str | None, say: Callable[[str], None]
) -> Outcome:
    """Run the checks on what was packed, where nothing else of the student's can be found."""
    say("\nThe public checks, on these files alone (Ctrl-C stops them):")
    said = ""

    def on_result(result: CheckResult) -> None:
        nonlocal said
        mark, name, *_, points = row(result)
        say(f"{mark}  {name}  {points}")
        message = "" if result.status == "passed" else result.message
        if message and message != said:
            say(textwrap.fill(message, WIDTH, initial_indent="     ", subsequent_indent="     "))
        said = message

    outcome = run_alone(folder, manifest, files, dataset, on_result)
    say(outcome.problem or summary(outcome.results))
    return outcome


def _about(path: Path, number: int) -> str:
    content = path.read_bytes()
    files = "1 file" if number == 1 else f"{number} files"
    return f"{path.name}: {files}, {size_text(len(content))}, SHA-256 {hashlib.sha256(content).hexdigest()[:12]}"


def _next_step(path: Path, looks: Sequence[Look], outcome: Outcome) -> str:
    things = [look.name for look in looks if look.problem or look.remarks]
    open_ = sum(result.status != "passed" for result in outcome.results)
    if open_:
        things.append("1 check that did not pass" if open_ == 1 else f"{open_} checks that did not pass")
    if outcome.problem:
        things.append("checks that could not be run")
    if not things:
        return f"Hand in this file: {path}"
    number = "1 thing" if len(things) == 1 else f"{len(things)} things"
    return f"{number} to look at before you hand in {path}: {', '.join(things)}."
