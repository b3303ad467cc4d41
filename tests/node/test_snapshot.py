"""The startup snapshot of the frozen program: what it changes, which files count as one, and what is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.threads import nothing_left
from tests.node.api.cluster import Api
from tests.node.api.podnode import REPO, Node, problem

from .bundles import PLACE, archive_of, extract, missing_part, write_snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_part()), reason="the form `frozen` cannot be built here; test_frozen.py says why"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for chroot"),
]

VERSION = b"supportedVersions"
"""A constant of the program, by which a test sees whether a call began with the snapshot."""
CHANGED = b"SUPPORTEDversions"


@pytest.fixture
def root(node_bundle: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with only the bundle in it."""
    return extract(archive_of("frozen", node_bundle, tmp_path_factory), tmp_path / "root")


@pytest.fixture
def snapshot(root: Path) -> Path:
    """The snapshot in that root, with a constant that the program does not have."""
    path = write_snapshot(root)
    data = path.read_bytes()
    assert VERSION in data
    path.write_bytes(data.replace(VERSION, CHANGED))
    return path


def version(root: Path, *, shell: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    script = f"exec /usr/sbin/chroot {root} /{PLACE}/nadmit/bin/nadmit {shell}"
    given = {"CNI_COMMAND": "VERSION", **environ}
    return subprocess.run(["sh", "-c", script], env=given, input="{}", capture_output=True, text=True, check=False)


def has_begun_with_it(root: Path) -> bool:
    done = version(root)
    assert done.returncode == 0, done
    answer = json.loads(done.stdout)
    return CHANGED.decode() in answer


def test_a_verb_begins_with_it(root: Path, snapshot: Path) -> None:
    assert has_begun_with_it(root)
    snapshot.unlink()
    assert not has_begun_with_it(root)


def test_a_command_line_does_not(root: Path, snapshot: Path) -> None:
    """The installer must run also if the snapshot cannot."""
    data = snapshot.read_bytes()
    snapshot.write_bytes(data[:8192] + bytes(len(data) - 8192))
    command = ["/usr/sbin/chroot", str(root), f"/{PLACE}/nadmit/bin/nadmit"]
    done = subprocess.run([*command, "show", "--nothing"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[:15]) == (2, "nadmit: usage: "), done


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4096]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0" * 4096),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"NADMIT" + path.read_bytes()[6:]),
        lambda path: path.chmod(0o620),
        lambda path: os.chown(path, 1, 1),
        lambda path: (path.rename(path.with_name("other")), path.symlink_to("other")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["shorter", "longer", "empty", "no-snapshot", "writable", "somebody-elses", "a-link", "a-directory"],
)
def test_a_file_that_is_not_its_own_is_not_used(root: Path, snapshot: Path, damage: object) -> None:
    damage(snapshot)  # type: ignore[operator]
    assert not has_begun_with_it(root)


def test_a_snapshot_of_another_build_is_not_used(root: Path, snapshot: Path) -> None:
    """A build differs by its ID, which the program reads from itself."""
    program = root / PLACE / "nadmit/bin/nadmit"
    data = program.read_bytes()
    at = data.index(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0") + 16
    program.write_bytes(data[:at] + bytes(20) + data[at + 20 :])
    assert not has_begun_with_it(root)


@pytest.mark.parametrize("shell", ["2>&-", "<&-"])
def test_a_closed_stream_is_seen(root: Path, snapshot: Path, shell: str) -> None:
    """Python gives such a process no stream of that number, which a snapshot cannot know."""
    assert snapshot.exists()
    answer = json.loads(version(root, shell=shell).stdout)
    assert VERSION.decode() in answer or answer["code"] == 5


def test_it_has_no_environment_of_its_writer(root: Path) -> None:
    top = f"/{PLACE}/nadmit"
    command = ["/usr/sbin/chroot", str(root), f"{top}/bin/nadmit", "--write-snapshot", f"{top}.snapshot"]
    subprocess.run(command, env={"SECRET_OF_THE_WRITER": "hunter2"}, check=True)
    data = (root / f"{top[1:]}.snapshot").read_bytes()
    assert b"hunter2" in data, "an environment that is given is in it, so the installer gives none"
    empty = root / f"{top[1:]}.empty"
    subprocess.run([*command[:-1], f"{top}.empty"], env={}, check=True)
    assert b"hunter2" not in empty.read_bytes()


def test_each_has_its_own_seed_of_hashes(root: Path) -> None:
    one = write_snapshot(root)
    first = one.read_bytes()
    one.unlink()
    assert write_snapshot(root).read_bytes() != first


def test_an_existing_file_is_not_overwritten(root: Path, snapshot: Path) -> None:
    before = snapshot.read_bytes()
    top = f"/{PLACE}/nadmit"
    command = ["/usr/sbin/chroot", str(root), f"{top}/bin/nadmit", "--write-snapshot", f"{top}.snapshot"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"nadmit: {top}.snapshot: the snapshot cannot be written: File exists\n"
    assert snapshot.read_bytes() == before


@pytest.fixture
def node(root: Path, tmp_path: Path) -> Iterator[Node]:
    """A node whose plugin begins with a snapshot, and an API server with TLS."""
    lacking = problem()
    if lacking:
        pytest.skip(lacking)
    write_snapshot(root)
    with nothing_left(), Api() as api:
        (tmp_path / "node").mkdir()
        made = Node(tmp_path / "node", api)
        (made.bin_dir / "nadmit").unlink()
        (made.bin_dir / "nadmit").symlink_to(root / PLACE / "nadmit/bin/nadmit")
        made.start()
        try:
            yield made
        finally:
            made.stop()


def attach_and_detach(node: Node) -> None:
    node.api.put_network("blue", "lan", node.bridge_conf("b"))
    node.api.put_network("default", "wide", node.bridge_conf("c"))
    node.api.put_pod("lan, default/wide@wide0")
    node.add().expect()
    assert sorted(node.addresses()) == ["eth0", "net1", "wide0"]
    node.call("CHECK").expect()
    node.delete().expect()
    assert node.left() == []


def test_a_pod_is_attached_by_an_api_server_with_tls(node: Node) -> None:
    attach_and_detach(node)


TELLING = """\
#!{python} -IS
import sys
sys.path.insert(0, {repo!r})
from cniplugin import __main__ as process
process.load_verbs()
before = set(sys.modules)
code = process.main()
print(*sorted(set(sys.modules) - before), file=open({loaded!r}, "a"))
sys.exit(code)
"""


def test_the_verbs_load_nothing_more(node: Node, tmp_path: Path) -> None:
    """A module that is missing in the snapshot costs its time in each call."""
    loaded = tmp_path / "loaded"
    (node.bin_dir / "nadmit").unlink()
    script = TELLING.format(python=sys.executable, repo=str(REPO), loaded=str(loaded))
    node.write_script(node.bin_dir / "nadmit", script)
    attach_and_detach(node)
    assert loaded.read_text().splitlines() == ["", "", ""]
