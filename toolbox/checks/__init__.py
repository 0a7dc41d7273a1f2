"""Checks: declared by authors, run by students on their machine and by the grader on a proxy."""

from toolbox.checks.accuracy import accuracy
from toolbox.checks.case import PUBLIC_SEED, Case, Failed, describe
from toolbox.checks.declare import Check, DeclarationError, case, graded
from toolbox.checks.run import ChecksBroken, Collection, Setting, load_checks, run_checks
from toolbox.checks.student import (
    Backend,
    LocalBackend,
    Proxy,
    Shared,
    StudentError,
    because_of,
    explain,
    own_arguments,
    stopped_half_way,
)
from toolbox.results import CheckResult, from_json, rounded, total

__all__ = [
    "PUBLIC_SEED", "Backend", "Case", "Check", "CheckResult", "ChecksBroken", "Collection", "DeclarationError",
    "Failed", "LocalBackend", "Proxy", "Setting", "Shared", "StudentError", "accuracy", "because_of", "case",
    "describe", "explain", "from_json", "graded", "load_checks", "own_arguments", "rounded", "run_checks",
    "stopped_half_way", "total",
]  # fmt: skip
