"""The command line of instructors and graders; the only part of the package that prints."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course, Level, find_course, init_course, open_course, secret_seed
from autograder.errors import UserError
from toolbox.manifest import DataSet

app = typer.Typer(
    name="autograder",
    no_args_is_help=True,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)  # room for tables in a log file
err = Console(stderr=True, highlight=False)

Isolation = Literal["best", Level]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The assignment: a folder of assignments/.")]
CourseFolder = Annotated[
    Path | None,
    typer.Option("--course", metavar="DIR", help="The course folder (default: the one that this folder is in)."),
]
Students = Annotated[
    list[str] | None, typer.Option("--student", metavar="ID", help="This student only (may be repeated).")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="How many processes at once (default: the number of processors).")
]
Images = Annotated[
    DataSet | None, typer.Option("--data", help="The images to grade with (default: as course.toml says).")
]


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    """Release assignments, grade submissions as untrusted code, record scores in nbgrader's gradebook.

    In the order of a course: init, new, verify, release, collect, grade, feedback, export.
    """
    if version:
        out.print(metadata.version("coursekit"))
        raise typer.Exit


def main() -> None:
    """Run the command line; what is the user's to mend ends with a sentence and status 1."""
    # A grammar of web addresses, with which notebooks' schemas could be checked more strictly: loading it takes
    # longer than all else that the gradebook needs.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    # What modules make stays: looking for garbage among it takes a tenth of the start of a command.
    gc.set_threshold(100_000)
    try:
        app()
    except UserError as error:
        err.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(130)


@app.command(short_help="Make a course folder.")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    like: Annotated[
        Path | None, typer.Option("--from", metavar="COURSE", help="Copy assignments of this course folder.")
    ] = None,
    assignment: Annotated[
        list[str] | None, typer.Option(help="With --from: copy this assignment only (may be repeated).")
    ] = None,
) -> None:
    """Make a course folder; nothing that exists is overwritten.

    Writes course.toml, nbgrader_config.py, .gitignore and secret_seed. Without --from the course has no assignment yet;
    with it, all of that course are copied, or those that --assignment names.

    Example: autograder init ~/deep-learning-2027 --from ~/coursekit
    """
    created = init_course(folder, like=open_course(like) if like else None, assignments=assignment or [])
    _, new = secret_seed(created.course)
    for name in created.written:
        out.print(f"wrote {name}", markup=False)
    if new:
        out.print("wrote secret_seed: hidden cases are drawn from it; keep it, and keep it secret", markup=False)
    for name in created.kept:
        out.print(f"kept  {name}, which was there", markup=False)
    there = sorted(path.name for path in created.course.assignments.glob("*/") if path.is_dir())
    root = created.course.root
    following = f"autograder release {there[0]} --course {root}" if there else f"autograder new NAME --course {root}"
    out.print(f"{root} is a course folder. Next: {following}", markup=False, soft_wrap=True)


@app.command(short_help="Make a small, whole assignment, to be turned into yours.")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name: letters, digits and underscores.")],
    course: CourseFolder = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="What students read (default: the name, with spaces).")
    ] = "",
) -> None:
    """Make a small, whole assignment, to be turned into yours.

    It is fit for release as it is: one function to write, a smooth rectifier in NumPy. In
    assignments/NAME/ stand assignment.toml (files, points, limits), the module NAME.py with its solution,
    checks/ with the check, and mutants.toml, which the check is held against; in source/NAME/ the
    notebook. `autograder release NAME` and `autograder verify NAME` accept it. Change a thing, run both
    again, and so on: docs/AUTHORING.md of the kit goes through it step by step.

    Nothing that exists is overwritten, and where something fails, nothing new is left.

    Example: autograder new recurrent_networks --title "Recurrent networks"
    """
    from autograder.new import create_assignment

    found = find_course(course)
    made = create_assignment(found, name, title)
    for path in made.written:
        out.print(f"wrote {path}", markup=False)
    where = f" --course {found.root}" if course else ""
    out.print(
        f"“{made.title}” can be released as it is. Next:\n"
        f"  autograder release {name}{where}   # what students get\n"
        f"  autograder verify {name}{where}    # whether it is fit for them\n"
        "docs/AUTHORING.md of the kit says how to make it yours.",
        markup=False, soft_wrap=True,
    )  # fmt: skip


@app.command(short_help="Build release/NAME, what students get.")
def release(name: Name, course: CourseFolder = None) -> None:
    """Build release/NAME, what students get: notebook and modules without solutions, public checks, toolbox.

    `nbgrader generate_assignment NAME --force` does the same.
    """
    from autograder.release.build import generate

    found = find_course(course)
    folder = generate(found, load_assignment(found, name).name)
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    out.print(f"{folder}: {files} files. Students get this folder.", markup=False, soft_wrap=True)


@app.command(short_help="Put what students handed in into submitted/.")
def collect(
    name: Name,
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A folder, or the zip of a download.")],
    course: CourseFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read everything, say what would happen, write nothing.")
    ] = False,
) -> None:
    """Put what students handed in into submitted/<student>/NAME/, where grading looks for it.

    FROM is one of these, and which one is seen from the names in it: a folder with one folder or one zip
    for each student, named by the student's id; or what Canvas or Moodle gives to download, the zip itself
    or unpacked.

    Of each submission the files count that the assignment names, also from a zip in which one folder holds
    them. What else is there is left out and named. Where there is doubt which file is meant, nothing is guessed.

    roster.csv in the course folder, if there is one, lists the students: a column `id`, and any others with
    further names and numbers by which a download may know them. Without it, Canvas's or Moodle's number
    becomes the id.

    A submission that came before is replaced as a whole, or stays; the same files again change nothing.

    Example: autograder collect NAME ~/Downloads/submissions.zip
    """
    from autograder.intake.collect import Status, absent
    from autograder.intake.collect import collect as collect_class
    from autograder.intake.download import open_download
    from autograder.intake.roster import load_roster

    found = find_course(course)
    assignment = load_assignment(found, name)
    roster = load_roster(found.roster)
    with open_download(source, found, assignment) as download, _progress(False) as progress:
        out.print(f"{source}: {download.kind}.", markup=False, soft_wrap=True)
        task = progress.add_task(name, total=len(download.handed) + len(download.others))
        outcomes = []
        for outcome in collect_class(found, assignment, download, roster, dry_run=dry_run):
            outcomes.append(outcome)
            refused = "refused: " * (outcome.status == "refused")
            if refused or outcome.problems:
                text = f"{outcome.student}: {refused}{'; '.join(outcome.problems)}."
                err.print(text, markup=False, soft_wrap=True)
            if outcome.left_out:
                text = f"{outcome.student}: left out: {_few(outcome.left_out)}."
                progress.console.print(text, markup=False, soft_wrap=True)
            progress.step(task)
    counts = Counter(outcome.status for outcome in outcomes)
    tally = ", ".join(f"{counts[status]} {status}" for status in get_args(Status))
    out.print(f"{len(outcomes)} submission{'s' * (len(outcomes) != 1)}: {tally}.", markup=False)
    if dry_run:
        out.print("Nothing was written.")
    if roster and (missing := absent(found, assignment, roster, outcomes)):
        out.print(
            f"{len(missing)} of {len(roster.ids)} on the roster handed in nothing: {_few(missing)}.", markup=False
        )
    if counts["refused"]:
        raise UserError(f"{counts['refused']} of {len(outcomes)} were refused; the reasons stand above.")


@app.command(short_help="Grade submissions and record their scores.")
def grade(
    name: Name,
    student: Students = None,
    course: CourseFolder = None,
    workers: Workers = None,
    isolation: Annotated[
        Isolation | None, typer.Option(help="How student code is walled in (default: as course.toml says).")
    ] = None,
    accept_weaker: Annotated[
        bool, typer.Option("--accept-weaker", help="Go on where the isolation is below what course.toml asks for.")
    ] = False,
    data: Images = None,
    scheduler: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Grade on the Dask cluster whose scheduler this is: tcp://HOST:PORT.")
    ] = "",
    shared_files: Annotated[
        bool, typer.Option("--shared-files", help="With --scheduler: workers see this folder, send no files.")
    ] = False,
    with_feedback: Annotated[
        bool,
        typer.Option("--feedback", help="Write pages, each right after the scores; with --scheduler, all at the end."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")] = False,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show what processor time goes to: a table, and a picture in this file, .png, .svg or .pdf.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON lines, nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Grade the submissions submitted/<student>/NAME/ and record the scores.

    Writes results/NAME/<student>.json and the rows of nbgrader's gradebook, and with --feedback the pages that
    `autograder feedback` writes. Submissions that have not changed since they were graded are not graded again;
    their pages stay, if they came after that. Ctrl-C keeps what is done.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is loaded: examiners are forked, and CUDA cannot be

    from autograder.grading import grade as grading
    from autograder.grading.pool import Pool
    from autograder.grading.submission import students as submitted

    if scheduler and workers:
        raise UserError("With --scheduler the cluster decides how many are graded at once: leave out --workers.")
    if shared_files and not scheduler:
        raise UserError("--shared-files is for clusters: name one with --scheduler.")
    if profile:
        _demand_picture(profile)
    found = find_course(course)
    assignment = load_assignment(found, name)
    chosen, odd = submitted(found, assignment)
    if student:
        missing = [one for one in student if one not in chosen]
        if missing:
            raise UserError(f"{found.submitted / missing[0] / name}: there is no such submission.")
        chosen = list(dict.fromkeys(student))
    for folder, reason in odd.items():
        err.print(f"Skipped submitted/{folder!r}: {reason}.", markup=False, soft_wrap=True)
    if not chosen:
        raise UserError(
            f"{found.submitted}: no submissions of {name}. Bring them in with `autograder collect {name} FROM`."
        )
    lost = not found.secret_seed.exists() and any(found.results.glob("*/*.json"))
    if lost and not force:
        raise UserError(
            f"{found.secret_seed} is not there, and there are records whose hidden cases came from it. Put it back. "
            f"If it is lost, `autograder grade {name} --force` makes another and grades everybody anew."
        )
    _, new = secret_seed(found)
    if new and not quiet:
        err.print(
            f"Made {found.secret_seed}: hidden cases are drawn from it. Keep it, and keep it secret.",
            markup=False,
            soft_wrap=True,
        )
    hidden = quiet or as_json

    def show(outcome: Any, progress: Progress) -> None:
        if as_json and outcome.record:
            print(json.dumps(outcome.record, ensure_ascii=False))
        elif not hidden and outcome.record and outcome.fresh:
            for line in (_line(outcome.record), *map(_notice, outcome.record["notices"])):
                progress.console.print(line, markup=False, soft_wrap=True)

    with Pool(workers) as pool:
        outcomes = grading.grade(
            found, assignment, chosen, pool, isolation=isolation, force=force, dataset=data,
            accept_weaker=accept_weaker, scheduler=scheduler, shared_files=shared_files, profile=profile is not None,
            tell=lambda sentence: err.print(sentence, markup=False, soft_wrap=True),
        )  # fmt: skip
        run = _take_in(
            found, assignment, outcomes, len(chosen), pool, show,
            hidden=hidden, pages=with_feedback, pages_last=bool(scheduler),
        )  # fmt: skip
    same = "The same command without --force" if force else "The same command"
    kept = f"{len(run.rows)} of {len(chosen)} are graded and kept. {same} goes on from there."
    if isinstance(run.stopped, KeyboardInterrupt):
        err.print(f"Stopped: {kept}", soft_wrap=True)
        raise typer.Exit(130)
    if not hidden:
        _class_table(assignment, run)
        if run.unchanged:
            out.print(f"{len(run.unchanged)} unchanged since they were graded (--force grades them again).")
        if run.kept:
            out.print(f"{run.kept} kept the results of files of checks that are unchanged (--force runs them too).")
        if run.pages:
            out.print(
                f"{run.pages} page{'s' * (run.pages != 1)}: {_pages(found, assignment)}", markup=False, soft_wrap=True
            )
    if profile and run.profiles:
        _show_profile(run, name, profile)
    elif profile:
        err.print("Nothing was graded, so there is no profile: --force grades again.")
    for one, trouble in run.failed.items():
        err.print(f"{one}: not graded: {trouble}", markup=False)
    if run.stopped:
        raise UserError(f"{run.stopped} {kept}" if len(run.rows) > len(run.unchanged) else str(run.stopped))
    if run.failed:
        raise UserError(f"{len(run.failed)} of {len(chosen)} submissions were not graded; the others are recorded.")
    _demand_pages(run.no_page, len(chosen))


@app.command(short_help="Write the page that each student reads.")
def feedback(name: Name, student: Students = None, course: CourseFolder = None, workers: Workers = None) -> None:
    """Write the page that each graded student reads: feedback/<student>/NAME/<notebook>.html.

    A page shows the score, every check with what to mend, and each written question with the answer, the
    points and the comment that a person gave. It is one file without scripts, to be mailed or put online.
    `nbgrader generate_feedback NAME` and formgrader's button write the same pages for whoever handed in a
    notebook; this command writes them for everybody who was graded.

    Run it again after grading again or after entering scores: pages are always made anew. Where a
    submission or the assignment has changed since it was graded, there is no page until it is graded again.

    Example: autograder feedback NAME --student alice
    """
    from autograder.feedback import graded_students, write_pages
    from autograder.grading.pool import Pool

    found = find_course(course)
    assignment = load_assignment(found, name)
    there = graded_students(found, assignment)
    chosen = _graded(found, name, student, there, f"there is no record of this student. {GRADE_FIRST.format(name)}")
    no_page: list[str] = []
    with _progress(False) as progress, Pool(workers) as pool:
        task = progress.add_task("pages", total=len(chosen))

        def told(one: str, problem: str) -> None:
            if problem:
                no_page.append(one)
                _say_no_page(one, problem)
            progress.step(task)

        write_pages(found, assignment, chosen, pool, told)
    where = _pages(found, assignment, chosen[0] if len(chosen) == 1 else "<student>")
    out.print(f"{len(chosen) - len(no_page)} of {len(chosen)} pages: {where}", markup=False, soft_wrap=True)
    _demand_pages(no_page, len(chosen))


@app.command(short_help="Make scores and pages anew from the records.")
def rebuild(name: Name, student: Students = None, course: CourseFolder = None, workers: Workers = None) -> None:
    """Make automatic scores and feedback pages anew from the records in results/NAME. Nothing is graded.

    For whenever the gradebook or the pages are not what grading left: rows that were changed or deleted,
    pages that are lost, a gradebook.db that was deleted. Scores, comments and extra credit that a person
    entered stay as they are; only where they stood in a gradebook that is gone, they are gone.

    A submission without a record, or one that has changed since it was graded, is named and passed over:
    `autograder grade NAME` is for those.

    Example: autograder rebuild NAME --student alice
    """
    from autograder.feedback import graded_students
    from autograder.grading.pool import Pool
    from autograder.grading.recall import recall
    from autograder.grading.submission import students as submitted

    found = find_course(course)
    assignment = load_assignment(found, name)
    there = sorted({*submitted(found, assignment)[0], *graded_students(found, assignment)})
    chosen = _graded(found, name, student, there, "there is neither a submission nor a record of this student.")

    def show(outcome: Any, progress: Progress) -> None:
        if outcome.trouble:
            err.print(f"{outcome.student}: not rebuilt: {outcome.trouble}", markup=False, soft_wrap=True)

    with Pool(workers) as pool:
        outcomes = recall(found, assignment, chosen)
        run = _take_in(found, assignment, outcomes, len(chosen), pool, show, pages=True, all_pages=True)
    if isinstance(run.stopped, KeyboardInterrupt):
        err.print("Stopped: some are not rebuilt. The same command does it from the start.")
        raise typer.Exit(130)
    if run.stopped:
        raise run.stopped
    out.print(
        f"{len(run.rows)} of {len(chosen)} have the automatic scores of their records; "
        f"{run.corrected} had others or none.\n"
        f"{run.pages} of {len(chosen)} pages: {_pages(found, assignment)}", markup=False, soft_wrap=True,
    )  # fmt: skip
    if run.failed:
        raise UserError(f"{len(run.failed)} of {len(chosen)} were not rebuilt; the reasons stand above.")
    _demand_pages(run.no_page, len(chosen))


@app.command(short_help="Write the scores of NAME as CSV.")
def export(
    name: Name,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write this file (default: print the table).")
    ] = None,
    course: CourseFolder = None,
) -> None:
    """Write the gradebook's scores of NAME as CSV: one row a student, one column a check.

    The columns: student; total (code and written points, less the late penalty); code; written;
    late_penalty; to_grade (scores that a person has to look at, so that the total may change); then each
    check by its id. Scores that a person entered count, as in formgrader. Whoever is in the gradebook
    without a submission has empty scores.

    The file is UTF-8 without a byte order mark, with commas. A cell that a spreadsheet would take for a
    formula begins with an apostrophe. `nbgrader export` writes all assignments, totals only.

    Example: autograder export NAME --to grades.csv
    """
    from autograder.export import as_csv

    found = find_course(course)
    table = as_csv(found, load_assignment(found, name))
    if to is None:
        print(table, end="")
        return
    try:
        to.write_text(table, encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"{to}: this cannot be written: {error.strerror}.") from None
    students = table.count("\n") - 1
    out.print(f"{to}: {students} student{'s' * (students != 1)}.", markup=False, soft_wrap=True)


@app.command(short_help="Show how this machine walls student code in.")
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Show which layers of isolation this machine offers to student code, and which level that makes."""
    from autograder.sandbox import best_level, host_layers

    layers = host_layers()
    if as_json:
        print(json.dumps([{"name": x.name, "available": x.available, "detail": x.detail} for x in layers]))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("", "layer", "what it does, or why it is missing"):
        table.add_column(heading)
    for layer in layers:
        table.add_row("✓" if layer.available else "✗", layer.name, layer.detail)
    out.print(table)
    out.print(f"Grading here runs at the level: {best_level(layers)}")
    if sys.platform != "linux":
        out.print(
            "Only Linux has these layers. On Windows, grade in WSL 2; elsewhere, in a Linux container or machine."
        )


@app.command(short_help="Say whether an assignment is fit for release.")
def verify(
    name: Name,
    course: CourseFolder = None,
    data: Images = None,
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Try all that is listed, but N automatic mutants only, spread evenly: no proof of fitness.",
        ),
    ] = None,
) -> None:
    """Refuse an assignment that is not fit for release: its author's gate.

    It is refused unless the solution scores 100 % and the starter 0 %; the notebook's grade cells and the
    checks name the same things for the same points; every check has a sentence and a hint; no solution
    stands anywhere in the release; and release/NAME is up to date.

    Then the checks themselves are tried, on mutants graded like submissions. assignments/NAME/mutants.toml
    lists them: every [[mistake]] must fail the check it names, and only checks that need that one; every
    [[right]] variant must score 100 %. Automatic mutants are made from the solutions (an operator
    exchanged, a statement left out, …): at least 95 % must lose points, and each that does not needs
    its reason as a [[survivor]]. A [[choice]] is a solution that gets none: one choice of many.

    Example: autograder verify NAME --sample 40
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as for `grade`

    from autograder.verify import verify as verify_assignment

    found = find_course(course)
    progress = _progress(False)
    task = progress.add_task("tried", total=None)

    tenths: set[int] = set()

    def watch(done: int, total: int) -> None:
        if not err.is_terminal:  # where no bar is drawn, a line for each tenth
            if (tenth := done * 10 // total) not in tenths:
                tenths.add(tenth)
                err.print(f"tried: {done} of {total}", markup=False)
            return
        progress.start()
        progress.update(task, completed=done, total=total, refresh=True)
        if done == total:
            progress.stop()

    failures = 0
    tallies: list[Any] = []
    try:
        for finding in verify_assignment(
            found, load_assignment(found, name), data or found.grading.data, sample=sample, watch=watch
        ):
            if err.is_terminal:
                progress.stop()  # the bar comes back with the next submission
            out.print(f"{'✓' if finding.passed else '✗'} {finding.text}", markup=False, soft_wrap=True)
            failures += not finding.passed
            tallies += [finding.tally] if finding.tally else []
    except KeyboardInterrupt:
        progress.stop()
        err.print("Stopped: not everything was looked at, and nothing is kept.")
        raise typer.Exit(130) from None
    finally:
        progress.stop()
    for tally in tallies:
        _mutant_table(tally)
    if failures:
        raise UserError(f"{name} is not fit for release: {failures} of the conditions above are not met.")


def _mutant_table(tally: Any) -> None:
    """Print how many mutants of each kind are killed, and the survivors with the author's reasons."""
    table = Table(title=tally.title, title_justify="left", box=None, pad_edge=False)
    table.add_column("kind")
    for heading in ("mutants", "killed"):
        table.add_column(heading, justify="right")
    for kind, (there, killed) in sorted(tally.kinds.items()):
        table.add_row(kind, str(there), str(killed))
    there, killed = (sum(row[i] for row in tally.kinds.values()) for i in (0, 1))
    table.add_row("together", str(there), str(killed))
    out.print()
    out.print(table)
    for where, change, reason in tally.survivors:
        out.print(f"survives in {where}: {change}\n  {reason or 'no reason is given'}", markup=False, soft_wrap=True)


def _few(names: Collection[str], most: int = 5) -> str:
    """Return names in order, without those that are too many to read."""
    shown = list(dict.fromkeys(names))
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


@dataclass
class _Run:
    """What has become of a class, as it is printed in the end."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    graded_with: str = ""
    unchanged: set[str] = field(default_factory=set)
    kept: int = 0
    corrected: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    pages: int = 0
    no_page: list[str] = field(default_factory=list)
    profiles: list[Any] = field(default_factory=list)
    page_seconds: list[float] = field(default_factory=list)
    stopped: UserError | KeyboardInterrupt | None = None


def _take_in(
    course: Course,
    assignment: Assignment,
    outcomes: Generator[Any, None, None],
    total: int,
    pool: Any,
    show: Callable[[Any, Progress], None],
    *,
    hidden: bool = False,
    pages: bool = False,
    all_pages: bool = False,
    pages_last: bool = False,
) -> _Run:
    """Enter outcomes into the gradebook, have pages written and show them, each as it comes.

    Pages come last where this process has threads until all outcomes are there: it cannot be forked safely then.
    """
    from autograder import gradebook
    from autograder.feedback import Pages
    from autograder.grading.profile import counted

    run = _Run()

    def told(student: str, problem: str) -> None:
        run.pages += not problem
        if problem:
            run.no_page.append(student)
            _say_no_page(student, problem)

    writer = Pages(course, assignment, pool, told)
    later: list[tuple[str, Any, bool]] = []

    def entered(student: str, standing: Any, new: bool) -> None:
        run.corrected += new
        if pages and pages_last:
            later.append((student, standing, new))
        elif pages:
            writer.add(student, standing, new or all_pages)

    def records() -> Generator[dict[str, Any], None, None]:
        with _progress(hidden) as progress:
            task = progress.add_task(assignment.name, total=total)
            for outcome in outcomes:
                if outcome.record:
                    run.unchanged.update([] if outcome.fresh else [outcome.student])
                    run.kept += bool(outcome.fresh and outcome.record["kept"])
                    run.rows.append(_row(outcome.record))
                    run.graded_with = f"images: {outcome.record['data']}; isolation: {outcome.record['level']}"
                    with counted(outcome.profile, "gradebook"):
                        yield outcome.record
                    run.profiles += [outcome.profile] if outcome.profile else []
                else:
                    run.failed[outcome.student] = outcome.trouble
                show(outcome, progress)
                progress.step(task)

    try:
        with contextlib.closing(outcomes), contextlib.closing(records()) as found:
            gradebook.save(course, assignment, found, run.unchanged, entered)
    except (UserError, KeyboardInterrupt) as error:
        run.stopped = error
    if not isinstance(run.stopped, KeyboardInterrupt):
        try:
            for page in later:
                writer.add(*page)
            writer.finish()
        except (UserError, KeyboardInterrupt) as error:
            run.stopped = error
    run.page_seconds = writer.seconds
    return run


PICTURES = (".png", ".svg", ".pdf")


def _demand_picture(path: Path) -> None:
    """Demand, before anything is graded, a file that a picture can be written to."""
    if path.suffix.lower() not in PICTURES:
        raise UserError(f"{path}: the picture's name has to end in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}.")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent} to write this picture into. Make it first.")


def _show_profile(run: _Run, name: str, path: Path) -> None:
    """Print what processor time went to, and draw it."""
    from autograder.grading.profile import PARTS, draw, medians

    stages = medians(run.profiles)
    if run.page_seconds:
        stages["page of feedback"] = [statistics.median(run.page_seconds), 0.0, 0.0]
    title = f"{name}, median of {len(run.profiles)} submissions" if len(run.profiles) > 1 else f"{name}, one submission"
    table = Table(title=f"Processor time in ms: {title}", title_justify="left", box=None, pad_edge=False)
    table.add_column("stage")
    for heading in (*PARTS, "together"):
        table.add_column(heading, justify="right")
    rows = {**stages, "together": [sum(parts) for parts in zip(*stages.values(), strict=True)]}
    for stage, parts in rows.items():
        table.add_row(stage, *(f"{1000 * seconds:.1f}" for seconds in (*parts, sum(parts))))
    out.print(table)
    draw(stages, title, path)
    out.print(f"{path}: the same as a picture.", markup=False, soft_wrap=True)


GRADE_FIRST = "Run `autograder grade {}` first."


def _graded(course: Course, name: str, asked: list[str] | None, there: list[str], unknown: str) -> list[str]:
    """Return the students who are asked for, or all; demand that there are some, and nobody unknown."""
    chosen = list(dict.fromkeys(asked)) if asked else there
    missing = [one for one in chosen if one not in there]
    if missing:
        raise UserError(f"{missing[0]!r}: {unknown}")
    if not chosen:
        raise UserError(f"{course.results / name}: nobody was graded yet. {GRADE_FIRST.format(name)}")
    return chosen


def _say_no_page(student: str, problem: str) -> None:
    err.print(f"{student}: no page: {problem}", markup=False, soft_wrap=True)


def _demand_pages(missing: Collection[str], total: int) -> None:
    if missing:
        raise UserError(f"{len(missing)} of {total} students have no page; the reasons stand above.")


def _pages(course: Course, assignment: Assignment, student: str = "<student>") -> Path:
    return course.feedback / student / assignment.name / f"{assignment.notebook_id}.html"


class _Rate(ProgressColumn):
    """How many are done in a second, or in a minute where that says more."""

    def render(self, task: Task) -> Text:
        """Return it as it is shown."""
        speed = task.speed or 0.0
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{60 * speed:.1f}/min")


class _Bar(Progress):
    """A bar that is drawn when something is done, ten times a second at most: no thread, since processes are forked."""

    drawn = 0.0

    def step(self, task: TaskID) -> None:
        """Count one more."""
        self.advance(task)
        if time.monotonic() > self.drawn + 0.1:
            self.refresh()
            self.drawn = time.monotonic()


def _progress(hidden: bool) -> _Bar:
    return _Bar(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
        console=err, auto_refresh=False, disable=hidden, transient=True,
    )  # fmt: skip


def _line(record: dict[str, Any]) -> str:
    lost = next((check for check in record["checks"] if check["status"] != "passed"), None)
    tail = f"   {lost['id']}: {lost['message']}" if lost else ""
    return _clip(f"{record['student']:24} {record['score']:6g} / {record['max_score']}{tail}")


def _notice(text: str) -> str:
    return _clip(f"{'':24} {text}")


def _clip(text: str) -> str:
    if not err.is_terminal:
        return text
    width = max(err.width, 60)
    return text if len(text) <= width else text[: width - 1] + "…"


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    """Return a submission as a row of the class's table."""
    checks = record["checks"]
    lost = [c["id"] for c in checks if c["score"] < c["max_score"]]
    shown = ", ".join(lost[:4]) + (f" and {len(lost) - 4} more" if len(lost) > 4 else "")
    passed = f"{sum(c['status'] == 'passed' for c in checks)}/{len(checks)}"
    return record["student"], f"{record['score']:g}/{record['max_score']}", passed, shown


def _class_table(assignment: Assignment, run: _Run) -> None:
    """Print the class, one row a student: the score, and the checks that cost points."""
    table = Table(title=assignment.title, title_justify="left", box=None, pad_edge=False)
    table.add_column("student")
    table.add_column("score", justify="right")
    table.add_column("passed", justify="right")
    table.add_column("points lost at", overflow="fold")
    for row in sorted(run.rows):
        table.add_row(*row)
    if run.rows:
        out.print(table)
        out.print(run.graded_with, markup=False)


if os.name == "nt":
    raise SystemExit("Grading runs on Linux and macOS. On Windows, use it inside WSL 2.")
