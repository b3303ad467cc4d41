"""The node bundle in an otherwise empty chroot, with real delegates; needs root, gcc and CNI plugins."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = ROOT
PLUGINS = Path("/usr/lib/cni")
DELEGATES = ("bridge", "host-local")

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not all(map(shutil.which, ("gcc", "strip", "ldd"))), reason="needs gcc, strip and ldd"),
    pytest.mark.skipif(not all((PLUGINS / name).exists() for name in DELEGATES), reason="needs CNI plugins"),
]


@pytest.fixture
def root(node_bundle: Path, tmp_path: Path) -> Path:
    """A root directory with only the bundle in it."""
    with tarfile.open(node_bundle) as tar:
        tar.extractall(tmp_path / "root/some/where", filter="tar")
    return tmp_path / "root"


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """A namespace for the host, and one for the pod."""
    names = (f"nadmit-host-{os.getpid()}", f"nadmit-pod-{os.getpid()}")
    made: list[str] = []
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
            made.append(name)
        yield names
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def call(
    root: Path, verb: str, conf: dict[str, Any], *, prefix: tuple[str, ...] = (), **environ: str
) -> dict[str, Any]:
    command = [*prefix, "/usr/sbin/chroot", str(root), "/some/where/nadmit/bin/nadmit"]
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNI_COMMAND": verb, **environ}
    done = subprocess.run(
        command, input=json.dumps(conf), env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else {}


def test_version_runs_where_there_is_nothing_else_at_all(root: Path) -> None:
    assert [path.name for path in root.iterdir()] == ["some"]
    found = call(root, "VERSION", {"cniVersion": "1.1.0"})
    assert "1.1.0" in found["supportedVersions"]


def test_it_is_small_and_has_no_sources(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < 30_000_000
    assert not [path for path in files if path.suffix == ".py"]
    for path in files:
        if path.suffix == ".pyc":
            assert path.read_bytes()[4:8] == b"\1\0\0\0", f"{path}: this is no unchecked pyc (PEP 552)"


def test_every_part_has_its_notice(root: Path) -> None:
    top = root / "some/where/nadmit"
    about = json.loads((top / "nadmit-bundle.json").read_text())
    notices = {path.name: path.read_text(errors="replace") for path in (top / "licences").glob("*.txt")}
    assert "Apache License" in notices["nadmit.txt"]
    assert set(about["libraries"]) <= set(about["licences"])
    assert set(about["licences"].values()) | {"nadmit.txt"} == set(notices)
    assert any("PYTHON SOFTWARE FOUNDATION LICENSE" in text for text in notices.values())
    assert "GNU Lesser General Public" in notices["libc6.txt"]
    assert any(path.endswith("/libc.a") for path in about["licences"]), "the launcher is linked statically"
    shipped = {path.name for path in (top / "lib").iterdir() if path.is_file() and not path.is_symlink()} - {"ld.so"}
    assert {Path(path).name for path in about["licences"]} >= shipped
    common = {path.name: path.read_text() for path in (top / "licences/common-licenses").iterdir()}
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in common["LGPL-2.1"]


@pytest.fixture
def licences(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SOURCES / "manifests/node"))
    return importlib.import_module("licences")


needs_dpkg = pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")


@needs_dpkg
@pytest.mark.parametrize(
    ("constant", "stray", "said"),
    [
        ("", "libstray.so.1", "libstray.so.1: no notice is found for this file"),
        ("DOCUMENTS", "", "libc.a: no notice is found for this file"),
        ("COMMON", "", "/GPL-2: libc6-dev.txt refers to this text, and it is not there"),
    ],
)
def test_a_part_without_a_notice_is_no_bundle(
    licences: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, constant: str, stray: str, said: str
) -> None:
    if constant:
        monkeypatch.setattr(licences, constant, tmp_path)
    shipped = [tmp_path / stray] if stray else licences.static_libraries()[:1]
    with pytest.raises(licences.LicenceError, match=said):
        licences.add_licences(SOURCES / "LICENSE", shipped, tmp_path / "out")


def test_without_dpkg_a_missing_notice_is_a_warning(
    licences: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = licences.static_libraries()
    monkeypatch.setenv("PATH", str(tmp_path))
    found = licences.add_licences(SOURCES / "LICENSE", shipped, tmp_path / "out")
    assert found == {}
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("/")[0] for line in said] == ["bundle: warning: "] * 2
    assert all("no notice is found for this file" in line for line in said)


def test_the_archive_is_the_same_each_time(node_bundle: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, SOURCES / "manifests/node/bundle.py", tmp_path], check=True, capture_output=True)
    assert (tmp_path / node_bundle.name).read_bytes() == node_bundle.read_bytes()


def test_every_module_of_the_plugin_can_be_loaded(root: Path) -> None:
    top = root / "some/where/nadmit"
    modules = sorted(
        ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
        for path in (SOURCES / "cniplugin").rglob("*.py")
        if path.name != "__main__.py"
    )
    code = (
        f"import importlib, _ssl, _socket, ctypes, signal, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)\n_socket.getaddrinfo(b'127.0.0.1', 443)\n"
        "print(*[m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)], sys.prefix, sep='\\n')"
    )
    start = ["/some/where/nadmit/lib/ld.so", "--inhibit-cache", "--library-path", "/some/where/nadmit/lib"]
    start += ["--argv0", "/some/where/nadmit/bin/python3", "/some/where/nadmit/bin/python3", "-I", "-S", "-c", code]
    done = subprocess.run(["/usr/sbin/chroot", root, *start], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *files, prefix = done.stdout.splitlines()
    assert prefix == "/some/where/nadmit"
    assert len(files) > len(modules)
    assert all(file.startswith("/some/where/nadmit/lib/") for file in files)
    assert (top / "nadmit-bundle.json").exists()


def test_it_installs_itself_and_takes_itself_off(root: Path) -> None:
    conf_dir = root / "etc/cni/net.d"
    conf_dir.mkdir(parents=True)
    (conf_dir / "10-b.conflist").write_text('{"cniVersion": "1.0.0", "name": "b", "plugins": [{"type": "bridge"}]}')
    before = {path: path.lstat().st_ino for path in root.rglob("*")}

    def installer(where: str, *words: str) -> None:
        subprocess.run(["/usr/sbin/chroot", root, f"{where}/bin/nadmit", *words], check=True, capture_output=True)

    installer("/some/where/nadmit", "install", "--kubeconfig", "none")
    link = root / "opt/cni/bin/nadmit"
    placed = f"/opt/cni/bin/{link.readlink()}".removesuffix("/bin/nadmit")
    done = subprocess.run(
        ["/usr/sbin/chroot", root, "/opt/cni/bin/nadmit"],
        input="{}",
        env={"CNI_COMMAND": "VERSION"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "supportedVersions" in done.stdout
    installer(placed, "install", "--kubeconfig", "none")
    installer(placed, "show")
    installer(placed, "uninstall")
    assert {path: path.lstat().st_ino for path in root.rglob("*")} == before


def _add_delegates(root: Path) -> None:
    """Put real plugins there, and the libc that they need."""
    for name in DELEGATES:
        target = root / "opt/cni/bin" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PLUGINS / name, target)
    out = subprocess.run(["ldd", PLUGINS / "bridge"], capture_output=True, text=True, check=True).stdout
    for word in out.split():
        if word.startswith("/"):
            target = root / word.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(word).resolve(), target)


def test_add_and_del_run_in_a_chroot_with_delegates(root: Path, namespaces: tuple[str, str]) -> None:
    host, pod = namespaces
    _add_delegates(root)
    (root / "proc").mkdir()
    netns = root / "run/netns" / pod
    netns.parent.mkdir(parents=True)
    netns.touch()
    # The delegates, in Go, read /proc. Both mounts end with the mount namespace.
    script = f'mount -t proc proc "{root}/proc" && mount --bind "/run/netns/{pod}" "{netns}" && exec "$@"'
    prefix = ("ip", "netns", "exec", host, "unshare", "--mount", "sh", "-c", script, "sh")
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]], "dataDir": "/var/lib/cni/networks"}
    bridge = {"cniVersion": "1.0.0", "name": "b0", "type": "bridge", "bridge": "nbr0", "ipam": ipam}
    conf = {"cniVersion": "1.0.0", "name": "nadmit", "type": "nadmit", "delegates": [bridge]}
    environ = {
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": f"/run/netns/{pod}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
    }

    def links() -> set[str]:
        command = ["ip", "-n", pod, "-json", "link"]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return {link["ifname"] for link in found}

    found = call(root, "ADD", conf, prefix=prefix, **environ)
    assert found["ips"][0]["address"] == "10.99.0.2/24"
    assert links() == {"lo", "eth0"}
    assert [path.name for path in (root / "var/lib/cni/nadmit").glob("*.journal")] == ["c1.journal"]
    call(root, "DEL", conf, prefix=prefix, **environ)
    assert links() == {"lo"}
    assert not list((root / "var/lib/cni/nadmit").glob("*.journal"))
    assert not list((root / "var/lib/cni/networks/b0").glob("10.*"))
