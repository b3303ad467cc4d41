"""Both forms of the node bundle in an otherwise empty chroot, with real delegates; needs root, gcc and CNI plugins.

The form `frozen` is tried where its parts are there. test_frozen.py says which part is missing, and has what only this
form has.
"""

from __future__ import annotations

import importlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.apiserver import ApiServer
from tests.fakes.certificates import make_keys
from tests.fakes.dns import serving_dns
from tests.node.bundles import (
    PLACE,
    SNAPSHOT,
    archive_of,
    build_script,
    extract,
    forms,
    python,
    ways,
    write_snapshot,
)
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


@pytest.fixture(params=forms())
def form(request: pytest.FixtureRequest) -> str:
    """Each form that can be built here."""
    return str(request.param)


@pytest.fixture
def archive(form: str, node_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a form."""
    return archive_of(form, node_bundle, tmp_path_factory)


@pytest.fixture
def root(archive: Path, tmp_path: Path) -> Path:
    """A root directory with only the bundle in it."""
    return extract(archive, tmp_path / "root")


@pytest.fixture(params=ways())
def started(request: pytest.FixtureRequest, node_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory with only the bundle in it, in each way in which a verb can begin."""
    root = extract(archive_of(request.param, node_bundle, tmp_path_factory), tmp_path_factory.mktemp("root"))
    if request.param == SNAPSHOT:
        write_snapshot(root)
    return root


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


def test_version_runs_where_there_is_nothing_else_at_all(started: Path) -> None:
    assert [path.name for path in started.iterdir()] == ["some"]
    found = call(started, "VERSION", {"cniVersion": "1.1.0"})
    assert "1.1.0" in found["supportedVersions"]


def _bare(root: Path, verb: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Run a verb that asks no delegate, with redirections by the shell."""
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CNI_COMMAND": verb, "CNI_PATH": "/none"}
    delegate = {"cniVersion": "1.0.0", "name": "net", "type": "none"}
    conf = {"cniVersion": "1.1.0", "name": "pods", "type": "nadmit", "logFile": "", "delegates": [delegate]}
    command = f"exec chroot {root} /some/where/nadmit/bin/nadmit {shell}"
    return subprocess.run(
        ["sh", "-c", command], input=json.dumps(conf), env=environ, capture_output=True, text=True, check=False
    )


def test_a_line_of_the_log_can_have_any_character(started: Path) -> None:
    """A delegate and an annotation can say anything, and an error in the log must not replace the answer."""
    done = _bare(started, "ADD\x1b\n\u2028")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, 4), done
    assert done.stderr.count("\n") == 1
    assert "error ADD\\x1b\\n\\u2028 - - failed" in done.stderr


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-"])
def test_a_stderr_that_cannot_be_written_fails_nothing(started: Path, shell: str) -> None:
    done = _bare(started, "STATUS", shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_closed_stdin_is_an_error_of_cni(started: Path) -> None:
    done = _bare(started, "STATUS", "<&-")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, 5), done
    assert "Traceback" not in done.stderr


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
    assert "GNU Lesser General Public" in notices["libc6-dev.txt"]
    assert any(path.endswith("/libc.a") for path in about["licences"]), "launcher and program are linked statically"
    shipped = {path.name for path in top.glob("lib/*") if path.is_file() and not path.is_symlink()} - {"ld.so"}
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


def test_the_archive_is_the_same_each_time(form: str, archive: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SOURCES / "manifests/node/bundle.py"), str(tmp_path), form]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()


def test_an_unknown_form_is_no_bundle(tmp_path: Path) -> None:
    command = [sys.executable, str(SOURCES / "manifests/node/bundle.py"), str(tmp_path), "melted"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "bundle: melted: this is not a form of a bundle; allowed: frozen, modules\n"
    assert not list(tmp_path.iterdir())


def test_every_module_of_the_plugin_can_be_loaded(form: str, root: Path) -> None:
    modules = sorted(
        ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
        for path in (SOURCES / "cniplugin").rglob("*.py")
        if path.name != "__main__.py"
    )
    code = (
        f"import importlib, _json, _ssl, _socket, signal, sys\nfor name in {modules}: importlib.import_module(name)\n"
        "_ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)\n_socket.getaddrinfo(b'127.0.0.1', 443)\n"
        "print(*[m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)], sys.prefix, sep='\\n')"
    )
    *files, prefix = python(root, code).splitlines()
    assert prefix == "/some/where/nadmit"
    assert all(file.startswith("/some/where/nadmit/lib/") for file in files)
    assert len(files) == 0 if form == "frozen" else len(files) > len(modules)


def _plugin_that_says_its_arguments(form: str, root: Path, scratch: Path) -> None:
    """Replace the plugin in the bundle."""
    package = scratch / "stub/cniplugin"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys\ndef process():\n    print(sys.argv)\n    sys.exit(3)\n")
    top = root / PLACE / "nadmit"
    if form == "modules":
        (target,) = top.glob("lib/python*/cniplugin/__main__.pyc")
        py_compile.compile(str(package / "__main__.py"), str(target), doraise=True)
        return
    frozen, bundle = build_script("frozen"), build_script("bundle")
    parts = frozen.find_parts()
    modules = bundle.find_modules(str(parts.python), (*bundle.LEFT_OUT, *frozen.LEFT_OUT))
    frozen.build(parts, modules, package, top / "bin/nadmit", scratch)


def test_the_plugin_gets_the_name_under_which_it_was_started(form: str, root: Path, tmp_path: Path) -> None:
    _plugin_that_says_its_arguments(form, root, tmp_path)
    bin_dir = f"/{PLACE}/nadmit/bin"
    (root / "opt/cni/bin").mkdir(parents=True)
    (root / "opt/cni/bin/passthru").symlink_to(f"{bin_dir}/passthru")
    for program in (f"{bin_dir}/nadmit", f"{bin_dir}/passthru", "/opt/cni/bin/passthru"):
        command = ["/usr/sbin/chroot", str(root), program, "--some", "thing with spaces", ""]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, f"{[program, *command[3:]]}\n"), done.stderr


def test_a_thread_can_move_into_a_network_namespace(root: Path, namespaces: tuple[str, str]) -> None:
    _, pod = namespaces
    (root / "proc").mkdir()
    code = (
        "import os\nfrom cniplugin.host.netlink import Namespace\nhere = os.readlink('/proc/thread-self/ns/net')\n"
        "with Namespace('/pod'): print(os.readlink('/proc/thread-self/ns/net'))\n"
        "assert os.readlink('/proc/thread-self/ns/net') == here\n"
    )
    (root / "pod").touch()
    script = f'mount -t proc proc "{root}/proc" && mount --bind "/run/netns/{pod}" "{root}/pod" && exec "$@"'
    found = python(root, code, prefix=("unshare", "--mount", "sh", "-c", script, "sh"))
    assert found == f"net:[{Path('/run/netns', pod).stat().st_ino}]\n"


def test_names_are_looked_up_in_the_file_of_hosts_and_by_dns(root: Path, namespaces: tuple[str, str]) -> None:
    host, _ = namespaces
    (root / "etc").mkdir()
    (root / "etc/hosts").write_text("192.0.2.7 written.test\n")
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    # Modules that only the libc of the host can load: none of them is there.
    (root / "etc/nsswitch.conf").write_text("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n")
    code = (
        "from _socket import SOCK_STREAM, getaddrinfo\n"
        "for name in (b'written.test', b'served.test'):\n"
        "    print(*sorted({address[0] for *_, address in getaddrinfo(name, 443, 0, SOCK_STREAM)}))\n"
        "try: getaddrinfo(b'absent.test', 443, 0, SOCK_STREAM)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    with serving_dns(host, {"served.test": "198.51.100.9"}):
        found = python(root, code, prefix=("ip", "netns", "exec", host))
    assert found.splitlines() == ["192.0.2.7", "198.51.100.9", "Name or service not known"]


def test_only_the_server_of_the_kubeconfig_is_trusted(root: Path) -> None:
    with ApiServer(keys=make_keys()) as server:
        code = (
            "from cniplugin.cluster import transport\nfrom cniplugin.cluster.kubeconfig import ClusterConfig\n"
            f"for ca, name in {[(server.ca, '127.0.0.1'), (server.ca, '192.0.2.1'), (make_keys('other').ca, '127.0.0.1')]}:\n"
            f"    host, port = '127.0.0.1', {server.url.rpartition(':')[2]}\n"
            "    context = transport.tls_context(ClusterConfig(server='', host=host, port=port, ca_data=ca))\n"
            "    try:\n"
            "        sock = transport.TlsSocket(context, transport.dial(host, port, timeout_s=5), name)\n"
            "        sock.settimeout(5)\n"
            "        sock.sendall(b'')  # ends the handshake\n"
            "    except OSError as error: print(error.verify_message)\n"
            "    else: print('trusted')\n"
        )
        found = python(root, code).splitlines()
    assert found[0] == "trusted"
    assert found[1] == "IP address mismatch, certificate is not valid for '192.0.2.1'."
    assert found[2] in {"unable to get local issuer certificate", "certificate signature failure"}


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


def test_add_and_del_run_in_a_chroot_with_delegates(started: Path, namespaces: tuple[str, str]) -> None:
    host, pod = namespaces
    _add_delegates(started)
    (started / "proc").mkdir()
    netns = started / "run/netns" / pod
    netns.parent.mkdir(parents=True)
    netns.touch()
    # The delegates, in Go, read /proc. Both mounts end with the mount namespace.
    script = f'mount -t proc proc "{started}/proc" && mount --bind "/run/netns/{pod}" "{netns}" && exec "$@"'
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

    found = call(started, "ADD", conf, prefix=prefix, **environ)
    assert found["ips"][0]["address"] == "10.99.0.2/24"
    assert links() == {"lo", "eth0"}
    assert [path.name for path in (started / "var/lib/cni/nadmit").glob("*.journal")] == ["c1.journal"]
    call(started, "DEL", conf, prefix=prefix, **environ)
    assert links() == {"lo"}
    assert not list((started / "var/lib/cni/nadmit").glob("*.journal"))
    assert not list((started / "var/lib/cni/networks/b0").glob("10.*"))
