"""What hostile submissions earn: no more than their honest parts, and nobody else less."""

from __future__ import annotations

import csv
import os
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import best_level, host_layers
from examples.fully_connected_class import MODULE, NAME
from tests.feedback.pages import Parts, demand_harmless
from tests.redteam import ordinary_user
from tests.redteam.attack import EVERYTHING
from tests.redteam.catalogue import ATTACKS, CLASS_OF
from tests.redteam.grading import HONEST, MODES, NOBODY, REPOSITORY, Graded, grade_class, tried
from tests.redteam.knowing import PUBLIC_CASES
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks
from toolbox.checks.run import everything_needed
from toolbox.data import load

CHECKS = {check.id: check for check in load_checks(REPOSITORY / "assignments" / NAME / "checks")}
CPU_SECONDS = 20
"""More than any attack may cost: what the limits of `grading` leave it, and the grader's own work."""
TURNING = set("\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows."""


@pytest.fixture(scope="module", params=[pytest.param(mode, marks=pytest.mark.xdist_group(mode)) for mode in MODES])
def graded(request) -> Iterator[Graded]:
    mode = request.param
    if mode == "best as root" and os.getuid() != 0:
        pytest.skip("these tests do not run as root")
    if best_level(host_layers()) == "process":
        pytest.skip("this machine has no walls: `autograder doctor`")
    if mode == "best as an ordinary user":
        try:
            ordinary_user.prefix([])
        except OSError as error:
            pytest.skip(str(error))
    load("standin", parts=("val",))  # so that the cache holds it
    with tempfile.TemporaryDirectory(prefix="attacks-") as name:
        yield grade_class(Path(name), mode)


def test_everybody_has_a_record_and_a_page(graded):
    assert set(graded.records) == set(graded.pages) == {*tried(graded.mode), *HONEST}


def test_whose_name_is_no_student_id_is_named_and_passed_over(graded):
    for name in [*NOBODY, "a_link"]:
        assert f"submitted/{name!r}" in graded.said


def test_honest_neighbours_score_everything_before_and_after(graded):
    assert [graded.records[name]["score"] for name in HONEST] == [100, 100]


def test_nothing_is_left_running_and_nothing_outside_has_changed(graded):
    assert graded.processes_left == []
    assert graded.changed == set()


def test_no_secret_is_told_anywhere(graded):
    for text in (graded.said, graded.table, str(graded.records), *graded.pages.values()):
        for secret in graded.secrets:
            assert secret not in text


def test_a_terminal_shows_text(graded):
    odd = {c for c in graded.said if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c != "\n"}
    assert odd == set()


def test_a_spreadsheet_shows_text_and_the_scores_of_the_records(graded):
    table = {row["student"]: row for row in csv.DictReader(graded.table.splitlines())}
    assert set(table) == set(graded.records)
    for name, row in table.items():
        assert float(row["code"]) == graded.records[name]["score"]
        assert row["late_penalty"] == "0"
        assert all(cell.replace(".", "").isdigit() or cell in (name, "") for cell in row.values())


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_what_its_honest_parts_earn(graded, name, record_property):
    if name not in tried(graded.mode):
        pytest.skip("`make redteam` tries it in this mode, too")
    for key, value in (("class", CLASS_OF[name]), ("mode", graded.mode)):
        record_property(key, value)
    attack, record = ATTACKS[name], graded.records[name]
    record_property("layers", ", ".join(record["layers"]))
    checks = {check["id"]: check for check in record["checks"]}
    said = "\n".join([check["message"] for check in checks.values()] + record["notices"])
    assert attack.tells in said
    if attack.loses == EVERYTHING:
        assert record["score"] == 0
    else:
        for lost in attack.loses:
            assert checks[lost]["score"] < checks[lost]["max_score"], f"{lost} scores in full"
        assert attack.wrecks or "stopped half-way" in attack.tells or "stopped half-way" not in said
        for check in checks.values():
            honest = not {check["id"], *everything_needed(CHECKS, check["id"])} & set(attack.loses)
            if honest and not attack.wrecks:
                assert check["status"] == "passed", f"{check['id']}: {check['message']}"
    assert all(check["message"] for check in checks.values() if check["status"] != "passed")
    assert record["cpu_seconds"] < CPU_SECONDS


def test_a_browser_shows_text(graded):
    for name, page in graded.pages.items():
        assert "script" not in demand_harmless(page).tags, name
        odd = {c for c in Parts(page).text if unicodedata.category(c) in ("Cc", "Cs") or c in TURNING}
        assert odd == set(), name


def test_an_attack_that_knows_the_public_cases_passes_those(tmp_path):
    (tmp_path / MODULE).write_text(PUBLIC_CASES, encoding="utf-8")
    setting = Setting(LocalBackend(tmp_path, [MODULE]), lambda: load("standin", parts=("val",)), {})
    assert [r.status for r in run_checks(REPOSITORY / "assignments" / NAME / "checks", setting, ["relu_forward"])] == [
        "passed"
    ]
