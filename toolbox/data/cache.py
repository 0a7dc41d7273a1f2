"""Where this kit keeps what it downloads or makes, on each platform."""

import os
import sys
import tempfile
from pathlib import Path

APP = "coursekit"


def cache_folder() -> Path:
    """Return the kit's folder in the user's cache (not created here).

    That is `$XDG_CACHE_HOME/coursekit` where the variable holds an absolute path, else `~/.cache/coursekit`
    on Linux (XDG Base Directory Specification), `~/Library/Caches/coursekit` on macOS and
    `%LOCALAPPDATA%\\coursekit` on Windows; in the folder for temporary files where there is no home.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named and Path(named).is_absolute():
        return Path(named) / APP
    local = os.environ.get("LOCALAPPDATA", "")
    if sys.platform == "win32" and local:
        return Path(local) / APP
    try:
        home = Path.home()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / APP
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / APP
    if sys.platform == "win32":
        return home / "AppData" / "Local" / APP
    return home / ".cache" / APP
