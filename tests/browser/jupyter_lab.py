"""The two programs that the tests start: JupyterLab, with settings of a test's own, and the kit's command line."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.command import run

STARTS_WITHIN = 60
STOPS_WITHIN = 15
ENDS_WITHIN = 180
SETTINGS = {
    # asks the network for nothing, and does not ask whether it may
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass(frozen=True)
class Lab:
    """A server that runs: where it is, its token, its process and what it writes."""

    url: str
    token: str
    pid: int
    log: Path

    def page(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self.url}{path}?token={self.token}"


@contextlib.contextmanager
def jupyter_lab(folder: Path, home: Path, **variables: str) -> Iterator[Lab]:
    """Run `jupyter lab` in a folder, as somebody does who changed into it without activating the environment.

    Args:
        folder: where it starts.
        home: where it keeps settings, data and its log.
        variables: further environment variables.
    """
    for name, setting in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting))
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
              "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
              "IPYTHONDIR": "ipython"}  # fmt: skip
    own = {variable: str(home / place) for variable, place in places.items()}
    activated = str(Path(sys.executable).parent)
    own["PATH"] = os.pathsep.join(path for path in os.environ["PATH"].split(os.pathsep) if path != activated)
    token = secrets.token_hex(16)
    log = home / "jupyter.log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"],
            cwd=folder,
            env={**os.environ, **own, **variables, "JUPYTER_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        about = home / "runtime" / f"jpserver-{process.pid}.json"  # written once it listens
        yield Lab(_wait_for(about, process, log)["url"], token, process.pid, log)
    finally:
        _stop(process)


def _wait_for(about: Path, process: subprocess.Popen, log: Path) -> dict:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            return json.loads(about.read_text())
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start within {STARTS_WITHIN} seconds:\n{log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen) -> None:
    """End a server, which ends its kernels, and whatever it left: a kernel ends when its server is gone."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOPS_WITHIN)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # the session that it leads; nobody else is in it
    process.wait()


def autograder(*arguments: str) -> str:
    """Run the kit's command line and return what it prints."""
    done = run("autograder", *arguments, seconds=ENDS_WITHIN)
    assert done.returncode == 0, done.stderr
    return done.stdout
