"""What a host offers is found out by trying, and a level that it lacks is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import IsolationUnavailable, Preloaded, host_layers
from autograder.sandbox.isolation import Plan, wanted
from autograder.sandbox.readable import readable_paths, real_paths


def test_every_layer_is_named_with_a_reason_or_what_it_does() -> None:
    layers = {layer.name: layer for layer in host_layers()}
    assert {"process", "rlimits", "seccomp", "landlock", "namespaces"} <= set(layers)
    assert layers["process"].available
    assert all(layer.detail for layer in layers.values())


def test_the_level_is_the_highest_that_is_complete() -> None:
    assert wanted("process").level == "process"
    if sys.platform == "linux":
        assert wanted("best").level == "namespaces" and wanted("landlock").level == "landlock"
    assert Plan(linux=True, seccomp=True, namespaces=True).level == "process"  # no Landlock: not what it says


def test_the_report_and_the_process_agree(best: Preloaded) -> None:
    available = {layer.name for layer in host_layers() if layer.available}
    assert ("namespaces" in available) == (best.level == "namespaces")
    assert ("seccomp" in available) == ("seccomp" in best.layers)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can take namespaces away")
def test_where_namespaces_are_missing_best_is_landlock_and_asking_for_them_fails() -> None:
    script = """
from autograder.sandbox import IsolationUnavailable, Preloaded
try: Preloaded("namespaces")
except IsolationUnavailable as error: print(error)
with Preloaded("best") as p, p.start({"m.py": b"def f(): return 1"}) as j:
    j.import_module("m", seconds=30)
    print(p.level, j.call(0, "f", seconds=30))
"""
    # In a user namespace that may hold no further ones, as in a container.
    shell = 'echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_pid_namespaces && exec "$@"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", shell, "sh", sys.executable, "-c", script],
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if "landlock 1" not in done.stdout and "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert 'cannot give isolation "namespaces"' in done.stdout, done.stderr
    assert "landlock 1" in done.stdout, done.stderr


def test_no_folder_above_the_packages_is_ever_readable() -> None:
    repository = Path(__file__).parents[2]
    paths = readable_paths()
    assert repository / "autograder" / "sandbox" in paths
    assert not any(
        path == repository or path in repository.parents or path == repository / "autograder" for path in paths
    )
    assert Path("/") not in paths and Path.home() not in paths and Path("/usr") not in paths


def test_a_root_built_from_real_paths_keeps_the_links(tmp_path: Path) -> None:
    (tmp_path / "usr" / "lib" / "inner").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "again").symlink_to(tmp_path / "lib" / "inner")
    real, links = real_paths([tmp_path / "lib", tmp_path / "again"])
    assert real == [tmp_path / "usr" / "lib"]
    assert links == {tmp_path / "lib": "usr/lib", tmp_path / "again": str(tmp_path / "lib" / "inner")}


def test_a_misspelt_level_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="fortress"):
        Preloaded("fortress")
    assert issubclass(IsolationUnavailable, Exception)
