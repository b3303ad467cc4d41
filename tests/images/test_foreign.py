"""The node bundle for the other architecture: what can be read from its files, and what an emulator runs of it.

qemu's user emulation has no RTM_GETNSID, so ADD ends before the first delegate there. What runs: the launcher, the
interpreter with every module of the plugin and its compiled ones, VERSION, DEL, and the installer.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.paths import ROOT

from .conftest import FOREIGN, foreign_command

pytestmark = pytest.mark.slow

TOP = "some/where/nadmit"
EMULATED = r"""
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 77
printf '%s' ":nadmit:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{elf:02x}\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$0:OCF" \
    >/proc/sys/fs/binfmt_misc/register || exit 77
exec "$@"
"""
"""Let the kernel start programs of the other architecture by the emulator, only in this user namespace (Linux 6.7)."""


@pytest.fixture
def root(foreign_bundle: Path, tmp_path: Path) -> Path:
    """A root directory with only the bundle in it."""
    with tarfile.open(foreign_bundle) as tar:
        tar.extractall(tmp_path / "root/some/where", filter="tar")
    return tmp_path / "root"


def _files(root: Path) -> list[Path]:
    return [path for path in sorted((root / TOP).rglob("*")) if path.is_file() and not path.is_symlink()]


def _programs(root: Path) -> dict[str, Path]:
    return {path.name: path for path in _files(root) if path.read_bytes()[:4] == b"\x7fELF"}


def test_every_program_is_for_the_other_architecture(root: Path, foreign_bundle: Path) -> None:
    assert foreign_bundle.name.endswith(f"-{FOREIGN.name}.tar.gz")
    programs = _programs(root)
    assert {"nadmit", "python3", "ld.so", "libc.so.6", "libssl.so.3"} <= set(programs)
    for name, path in programs.items():
        (found,) = struct.unpack_from("<H", path.read_bytes(), 18)  # e_machine
        assert found == FOREIGN.elf, name


def test_every_needed_library_is_there(root: Path) -> None:
    there = {path.name for path in (root / TOP / "lib").iterdir()}
    for path in _programs(root).values():
        out = subprocess.run(["readelf", "--dynamic", path], capture_output=True, text=True, check=True).stdout
        assert set(re.findall(r"\(NEEDED\).*\[(.*)\]", out)) <= there, path.name


def test_it_has_the_plugin_and_no_sources(root: Path) -> None:
    names = {path.relative_to(root / TOP).as_posix() for path in _files(root)}
    modules = {
        f"lib/python3.11/{path.relative_to(ROOT).with_suffix('.pyc')}" for path in (ROOT / "cniplugin").rglob("*.py")
    }
    assert modules | {"main.pyc"} <= names
    assert not [name for name in names if name.endswith(".py")]
    for path in _files(root):
        if path.suffix == ".pyc":
            assert path.read_bytes()[4:8] == b"\1\0\0\0", f"{path}: this is no unchecked pyc (PEP 552)"


def test_every_part_has_its_notice_and_its_package(root: Path) -> None:
    about = json.loads((root / TOP / "nadmit-bundle.json").read_text())
    notices = {path.name for path in (root / TOP / "licences").glob("*.txt")}
    assert set(about["licences"].values()) | {"nadmit.txt"} == notices
    assert {one["notice"] for one in about["packages"]} | {"nadmit.txt"} == notices
    shipped = {Path(path).name for path in about["licences"]}
    for name in about["libraries"]:
        assert Path(name).name in shipped
    assert all(len(one["sha256"]) == 64 for one in about["packages"] if one["architecture"] == FOREIGN.debian)
    assert {path.name for path in (root / TOP / "licences/common-licenses").iterdir()} >= {"GPL-2", "LGPL-2.1"}


def test_the_archive_is_the_same_each_time(foreign_bundle: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(foreign_command(tmp_path), env=environ, check=True, capture_output=True)
    assert (tmp_path / foreign_bundle.name).read_bytes() == foreign_bundle.read_bytes()


def test_an_unknown_architecture_is_refused() -> None:
    program = [sys.executable, str(ROOT / "manifests/node/foreign.py"), "riscv64"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(program, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "bundle: architecture 'riscv64' is not known; known: x86_64, aarch64\n"


# With an emulator


def _emulated(emulator: str, command: list[str], given: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the other architecture, and what it starts. Skip if the kernel has no private binfmt_misc."""
    script = EMULATED.format(elf=FOREIGN.elf)
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, emulator, *command]
    environ = {"PATH": os.environ["PATH"], **environ}
    done = subprocess.run(words, input=given, env=environ, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 77 or done.stderr.startswith("unshare: "):
        pytest.skip(f"the kernel lets no user namespace register an emulator: {done.stderr.strip()}")
    return done


def _in(root: Path, program: str, *arguments: str) -> list[str]:
    """Return a command whose root directory is `root`. The registration has opened the emulator before (flag F)."""
    return ["/usr/sbin/chroot", str(root), program, *arguments]


def test_version_runs_where_there_is_nothing_else_at_all(emulator: str, root: Path) -> None:
    done = _emulated(emulator, _in(root, f"/{TOP}/bin/nadmit"), given="{}", CNI_COMMAND="VERSION")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1.1.0" in json.loads(done.stdout)["supportedVersions"]
    assert [path.name for path in root.iterdir()] == ["some"]


def test_del_runs_its_delegate(emulator: str, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/scripted").write_text('#!/bin/sh\necho "$CNI_COMMAND $CNI_IFNAME" >"$(dirname "$0")/called"\n')
    (tmp_path / "bin/scripted").chmod(0o755)
    delegate = {"cniVersion": "1.0.0", "name": "b", "type": "scripted"}
    conf = {"cniVersion": "1.0.0", "name": "pods", "type": "nadmit", "delegates": [delegate]}
    environ = {"CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/run/netns/gone"}
    environ |= {"CNI_COMMAND": "DEL", "CNI_PATH": str(tmp_path / "bin")}
    given = json.dumps({**conf, "recordDir": str(tmp_path / "records")})
    done = _emulated(emulator, [str(root / TOP / "bin/nadmit")], given=given, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "bin/called").read_text() == "DEL eth0\n"


def test_every_module_of_the_plugin_can_be_loaded(emulator: str, root: Path) -> None:
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "cniplugin").rglob("*.py")
        if path.name != "__main__.py"
    )
    code = (
        f"import importlib, os, sys, _ssl, _socket, ctypes\nfor name in {modules}: importlib.import_module(name)\n"
        "_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)\n_socket.getaddrinfo(b'127.0.0.1', 443)\n"
        "print(os.uname().machine, len(sys.modules))"
    )
    python = f"/{TOP}/bin/python3"
    start = ["--inhibit-cache", "--library-path", f"/{TOP}/lib", "--argv0", python, python, "-I", "-S", "-c", code]
    done = _emulated(emulator, _in(root, f"/{TOP}/lib/ld.so", *start))
    assert done.returncode == 0, done.stderr
    machine, count = done.stdout.split()
    assert machine == FOREIGN.name
    assert int(count) > len(modules)


def test_it_installs_itself_and_takes_itself_off(emulator: str, root: Path) -> None:
    conf_dir = root / "etc/cni/net.d"
    conf_dir.mkdir(parents=True)
    (conf_dir / "10-b.conflist").write_text('{"cniVersion": "1.0.0", "name": "b", "plugins": [{"type": "bridge"}]}')
    before = sorted(str(path) for path in root.rglob("*"))
    done = _emulated(emulator, _in(root, f"/{TOP}/bin/nadmit", "install", "--kubeconfig", "none"))
    assert done.returncode == 0, done.stdout + done.stderr
    done = _emulated(emulator, _in(root, "/opt/cni/bin/nadmit"), given="{}", CNI_COMMAND="VERSION")
    assert "supportedVersions" in done.stdout
    placed = f"/opt/cni/bin/{(root / 'opt/cni/bin/nadmit').readlink()}"
    for verb in ("show", "uninstall"):
        done = _emulated(emulator, _in(root, placed, verb))
        assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(str(path) for path in root.rglob("*")) == before
