"""How much one jail may use, and how much it has used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one jail may use; the time is given with each call instead."""

    memory_mb: int = 2048  # address space above what the preloaded process has mapped
    cpu_seconds: int = 120  # processor time of the whole jail
    scratch_mb: int = 64  # what its private folder may take beside the submitted files
    open_files: int = 64
    reply_mb: int = 256  # one reply
    files_mb: int = 512  # all submitted files together


@dataclass(frozen=True)
class Usage:
    """What one jail has used."""

    cpu_seconds: float
    max_rss_mb: float
