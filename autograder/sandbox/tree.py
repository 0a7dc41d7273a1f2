"""Process trees and folders of jails that no namespace cleans up: looking at them, ending them, removing them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

MAX_ENTRIES = 4096  # files and folders that one jail may make


def parents() -> dict[int, int]:
    """Return each process of this machine with its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = Path("/proc", name, "stat").read_text(errors="replace")
                found[int(name)] = int(text.rpartition(")")[2].split()[1])
    return found


def with_descendants(roots: set[int]) -> set[int]:
    """Return some processes and everything below them."""
    found = set(roots)
    tree = parents()
    while more := {child for child, parent in tree.items() if parent in found} - found:
        found |= more
    return found


def kill_descendants(roots: set[int]) -> None:
    """Kill some processes and everything below them."""
    for process in with_descendants(roots):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def thread_count(process: int) -> int:
    """Return how many threads a process has, 0 if that cannot be told."""
    try:
        return os.stat(f"/proc/{process}/task").st_nlink - 2
    except OSError:
        return 0


def memory_bytes(processes: set[int]) -> int:
    """Return the memory of some processes; what several share is divided among them."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path("/proc", str(process), "smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0]) << 10
    return total


def folder_size(folder: str) -> tuple[int, int]:
    """Return the bytes and the number of entries in a folder; stops counting when there are too many."""
    size = count = 0
    todo = [folder]
    while todo and count <= MAX_ENTRIES:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in entries:
                count += 1
                if count > MAX_ENTRIES:
                    break
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
    return size, count


def remove_folder(folder: str) -> None:
    """Remove a folder with all it holds, however deep, whatever its permissions; never follows a link."""
    number = 0
    unused = os.urandom(8).hex()
    todo = [folder]
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
    while todo:
        place = todo.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue
        for entry in entries:
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                if place == folder:
                    todo.append(entry.path)
                else:
                    # Deep folders are moved up, so that no path grows beyond what the kernel takes.
                    number += 1
                    moved = f"{folder}/{unused}-{number}"
                    os.rename(entry.path, moved)
                    todo.append(moved)
        if place != folder:
            with contextlib.suppress(OSError):
                os.rmdir(place)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
