"""Which layers of isolation are put around a jail, and in which order a jail puts them on."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.sandbox import landlock, linux, namespaces, rlimits, seccomp
from autograder.sandbox.limits import Limits
from autograder.sandbox.namespaces import Outer
from autograder.sandbox.readable import DEVICES

LEVELS = ("process", "landlock", "namespaces")


@dataclass(frozen=True)
class Plan:
    """The layers that are wanted, or, after `available_plan`, that this host gives."""

    linux: bool = False
    seccomp: bool = False
    landlock: bool = False
    namespaces: bool = False
    become: int | None = None  # the user that root changes to where namespaces do not see to that

    @property
    def level(self) -> str:
        """The highest level all of whose layers are there."""
        if not (self.seccomp and self.landlock):
            return "process"
        return "namespaces" if self.namespaces else "landlock"

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers, for records and for people."""
        names = ["process", "empty environment", "rlimits"]
        if self.linux:
            names += ["no capabilities", "no_new_privs"]
        if self.become is not None or (self.namespaces and os.geteuid() == 0):
            names.append("unprivileged user")
        if self.seccomp:
            names.append("seccomp")
        if self.landlock:
            names.append("landlock")
        if self.namespaces:
            names += namespaces.NAMES
        return tuple(names)


def wanted(isolation: str) -> Plan:
    """Return the layers that a level asks for ("best" asks for all)."""
    if isolation not in (*LEVELS, "best"):
        raise ValueError(f'isolation must be "best" or one of {", ".join(LEVELS)}, not {isolation!r}')
    on_linux = sys.platform == "linux"
    if isolation == "process" or not on_linux:
        return Plan(linux=on_linux)
    return Plan(linux=True, seccomp=True, landlock=True, namespaces=isolation in ("namespaces", "best"))


@dataclass
class Place:
    """Where a jail finds itself: what it may read, its own folder, and how it got there."""

    readable: list[Path]
    folder: Path
    outer: Outer | None
    proc: int | None  # descriptor of the host's /proc
    tasks: int  # how many processes and threads its user may have


def enter(plan: Plan, place: Place, scratch_bytes: int, parent: int) -> Place:
    """Move the calling process, a fresh child, into its private folder as an unprivileged user. Raises OSError."""
    if place.proc is not None:
        _offer_to_be_killed(place.proc)
    if plan.namespaces and place.outer is not None:
        place = replace(place, folder=namespaces.enter_inner(place.outer, scratch_bytes))
    elif plan.become is not None:
        linux.become(plan.become, plan.become)
    if plan.linux:
        linux.die_with_parent(parent)
    os.chdir(place.folder)
    return place


def _offer_to_be_killed(proc: int) -> None:
    """Have a machine that runs out of memory end this process rather than the grader."""
    with contextlib.suppress(OSError):
        descriptor = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, b"1000")
        finally:
            os.close(descriptor)


def lock(plan: Plan, place: Place, limits: Limits) -> None:
    """Take from the calling process, for good, all it does not need to compute with its own files. Raises OSError."""
    rlimits.restrict(limits, mapped=rlimits.mapped_bytes(place.proc), tasks=place.tasks)
    if place.proc is not None:
        os.close(place.proc)
    if not plan.linux:
        return
    linux.drop_capabilities()
    linux.no_new_privileges()
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    if plan.landlock:
        landlock.restrict(place.readable, [place.folder], DEVICES)
    if plan.seccomp:
        seccomp.restrict(os.getpid())
