"""The log, written by real plugin processes, also by many at the same time."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cniplugin.host import logfile
from cniplugin.host.log import LOG
from cniplugin.host.logfile import BYTES_PER_MB, LogFile
from tests.fakes.cni_plugin import Plugins
from tests.paths import ROOT

CODE = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cniplugin.__main__ import main; sys.exit(main())"
LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (?P<level>panic|error|verbose|debug) "
    r"(?P<verb>\S+) (?P<container>\S+) (?P<pod>\S+) (?P<text>.*)"
)
CONTAINER = "c0ffee"
SECRET = "hunter2"
RESULT = json.dumps({"cniVersion": "1.1.0", "interfaces": [], "ips": []})


class Outcome:
    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


class Node:
    """A plugin process whose delegates are scripted, and its log."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.plugins = Plugins(self.bin)
        self.plugins.tell("one", "ADD", stdout=RESULT)
        self.plugins.tell("two", "ADD", stdout=RESULT)
        self.file = directory / "logs" / "nadmit.log"
        self.netns = f"nadmit-log-{os.getpid()}"
        self.prefix: tuple[str, ...] = ()

    def conf(self, **changes: Any) -> dict[str, Any]:
        delegates: list[dict[str, Any]] = [
            {"cniVersion": "1.1.0", "name": name, "type": name, "password": SECRET, "capabilities": {}}
            for name in ("one", "two")
        ]
        conf = {
            "cniVersion": "1.1.0",
            "name": "node",
            "type": "nadmit",
            "binDir": str(self.bin),
            "recordDir": str(self.directory / "records"),
            "delegates": delegates,
            "logFile": str(self.file),
            **changes,
        }
        return {key: value for key, value in conf.items() if value is not None}

    def start(self, verb: str, conf: dict[str, Any] | None = None, **environ: str) -> subprocess.Popen[str]:
        given = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": CONTAINER,
            "CNI_NETNS": f"/run/netns/{self.netns}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.bin),
            "CNI_ARGS": "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web",
            **environ,
        }
        stdin = self.directory / f"stdin-{time.monotonic_ns()}"
        stdin.write_text(json.dumps(conf or self.conf()))
        with stdin.open() as file:
            words = [*self.prefix, sys.executable, "-IS", "-c", CODE]
            pipe = subprocess.PIPE
            return subprocess.Popen(words, env=given, stdin=file, stdout=pipe, stderr=pipe, text=True)

    def call(self, verb: str, conf: dict[str, Any] | None = None, **environ: str) -> Outcome:
        with self.start(verb, conf, **environ) as process:
            stdout, stderr = process.communicate(timeout=30)
        sys.stdout.write(stdout)  # pytest shows it if the test fails
        return Outcome(process.returncode, stdout, stderr)

    def lines(self) -> list[dict[str, str]]:
        return [parse(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def said(self) -> list[str]:
        """Return level, verb and text of each line, without milliseconds."""
        return [re.sub(r"ms=\d+", "ms=", f"{line['level']} {line['verb']} {line['text']}") for line in self.lines()]


def parse(line: str) -> dict[str, str]:
    found = LINE.fullmatch(line)
    assert found, line
    return found.groupdict()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    made = Node(tmp_path)
    subprocess.run(["ip", "netns", "add", made.netns], check=True)
    try:
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", made.netns], check=True)


# Lines


@pytest.mark.root
def test_one_line_for_each_verb(node: Node) -> None:
    before = time.time()
    assert node.call("ADD").code == 0
    assert node.call("CHECK").code == 0
    assert node.call("STATUS").code == 0
    assert (
        node.call("GC", node.conf(**{"cni.dev/valid-attachments": [{"containerID": CONTAINER, "ifname": "x"}]})).code
        == 0
    )
    assert node.call("DEL").code == 0
    assert node.call("VERSION").code == 0
    assert node.said() == [
        "verbose ADD done ms= attachments=2",
        "verbose CHECK done ms= attachments=2",
        "verbose STATUS done ms=",
        "verbose GC done ms=",
        "verbose DEL done ms= attachments=2",
    ]
    first, _, third, *_ = node.lines()
    assert (first["container"], first["pod"]) == (CONTAINER, "shop/web")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))
    assert first["time"][:19] >= moment
    assert int(re.findall(r"ms=(\d+)", first["text"])[0]) < 20_000
    assert (third["container"], third["pod"]) == (
        CONTAINER,
        "shop/web",
    )  # of the runtime, although STATUS does not need it
    assert node.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.root
def test_gc_logs_the_attachments_that_it_frees(node: Node) -> None:
    node.call("ADD")
    no_container = {"CNI_CONTAINERID": "", "CNI_ARGS": ""}
    assert node.call("GC", node.conf(**{"cni.dev/valid-attachments": []}), **no_container).code == 0
    _, freed, done = node.lines()
    assert (freed["container"], freed["pod"]) == (CONTAINER, "shop/web")
    assert freed["text"].startswith("freed")
    assert (done["container"], done["pod"]) == ("-", "-")
    assert re.fullmatch(r"done ms=\d+ attachments=2", done["text"])


@pytest.mark.root
def test_debug_logs_each_delegate(node: Node) -> None:
    conf = node.conf(logLevel="debug")
    node.plugins.tell("two", "ADD", exit=3, stdout=json.dumps({"code": 107, "msg": "out of addresses"}))
    assert node.call("ADD", conf).code == 1
    assert node.said() == [
        "debug ADD delegate ADD one network=one ifname=eth0 ms= exit=0",
        "debug ADD delegate ADD two network=two ifname=net1 ms= exit=3",
        "debug ADD delegate DEL two network=two ifname=net1 ms= exit=0",
        "debug ADD delegate DEL one network=one ifname=eth0 ms= exit=0",
        (
            "error ADD failed ms= code=107: pod shop/web: network two (net1): "
            'plugin type="two" name="two" failed (add): out of addresses'
        ),
    ]


@pytest.mark.root
def test_debug_logs_a_delegate_that_was_killed_or_not_started(node: Node) -> None:
    conf = node.conf(logLevel="debug", deadline=0.7)
    node.plugins.tell("one", "ADD", hang=20)
    assert node.call("ADD", conf).code == 1
    assert "exit=killed at the deadline" in node.lines()[0]["text"]
    (node.bin / "one").write_text("no program")
    node.file.unlink()
    assert node.call("ADD", conf).code == 1
    assert "exit=not started" in node.lines()[0]["text"]


@pytest.mark.root
@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("panic", set()),
        ("error", {"error"}),
        ("verbose", {"error", "verbose"}),
        ("debug", {"error", "verbose", "debug"}),
        (None, {"error", "verbose"}),
    ],
)
def test_levels(node: Node, level: str | None, told: set[str]) -> None:
    conf = node.conf(logLevel=level, unknownKey=1)
    assert node.call("ADD", conf).code == 0
    assert node.call("ADD", conf).code == 1  # the container is attached already
    assert {line["level"] for line in node.lines()} == told


@pytest.mark.root
def test_a_failed_del_logs_each_failure(node: Node) -> None:
    node.call("ADD")
    node.file.unlink()
    for kind in ("one", "two"):
        node.plugins.tell(kind, "DEL", exit=1, stdout=json.dumps({"code": 130, "msg": f"{kind} is stuck"}))
    assert node.call("DEL").code == 1
    first, second = node.said()
    assert first.startswith("error DEL failed ms= code=130: ")
    assert first.endswith("two is stuck")
    assert second.startswith("error DEL detail: ")
    assert second.endswith("one is stuck")


@pytest.mark.root
def test_del_reports_a_record_of_multus_that_it_cannot_read(node: Node) -> None:
    cache = node.directory / "multus"
    cache.mkdir()
    (cache / CONTAINER).write_text("damaged")
    assert node.call("DEL", node.conf(cniDir=str(cache))).code == 0
    error = next(line for line in node.lines() if line["level"] == "error")
    assert error["text"].startswith(f"{cache}/{CONTAINER}: the record of another program cannot be read")


@pytest.mark.root
def test_a_bug_is_a_panic(node: Node) -> None:
    code = CODE.replace("sys.exit", "import cniplugin.commands as c; c.COMMANDS['STATUS'] = lambda _: 1 / 0; sys.exit")
    for to_stderr in (True, False):
        done = subprocess.run(
            [sys.executable, "-IS", "-c", code],
            input=json.dumps(node.conf(logLevel="panic", logToStderr=to_stderr)),
            env={"CNI_COMMAND": "STATUS", "CNI_PATH": str(node.bin)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert json.loads(done.stdout)["code"] == 999
        assert ("Traceback" in done.stderr) is to_stderr
        assert (done.stderr == "") is not to_stderr
    assert node.said()[0] == "panic STATUS failed ms= code=999: internal error: ZeroDivisionError: division by zero"
    assert node.said()[1].startswith("panic STATUS detail: ")


@pytest.mark.root
def test_a_refused_configuration_is_in_its_own_log(node: Node) -> None:
    assert node.call("ADD", node.conf(deadline=-1, logOptions={"maxSize": "much"})).code == 1
    (first, second) = node.said()
    assert first.startswith("error ADD failed ms= code=7: ")
    assert "deadline" in first + second
    assert "logOptions" in first + second


@pytest.mark.root
def test_no_line_has_a_secret_or_a_configuration(node: Node) -> None:
    conf = node.conf(logLevel="debug")
    node.plugins.tell("two", "ADD", exit=1)
    outcomes = [node.call("ADD", conf), node.call("DEL", conf)]
    kubeconfig = node.directory / "kubeconfig"
    for text in (f'{{"users": [{{"user": {{"token": "{SECRET}"}}', f"users:\n- user:\n    token: {SECRET}\n   bad"):
        kubeconfig.write_text(text)
        outcomes.append(node.call("ADD", node.conf(logLevel="debug", kubeconfig=str(kubeconfig))))
    assert [outcome.code for outcome in outcomes] == [1, 0, 1, 1]
    said = node.file.read_text() + "".join(outcome.stderr for outcome in outcomes)
    assert SECRET not in said
    assert "password" not in said


@pytest.mark.root
def test_a_line_stays_a_line(node: Node) -> None:
    name = 'web\n2026-01-01T00:00:00.000Z panic \x1b[31m"'
    node.call("DEL", CNI_ARGS=f"K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name}")
    assert len(node.lines()) == 1
    assert node.lines()[0]["pod"] == 'shop/web\\n2026-01-01T00:00:00.000Z\\x20panic\\x20\\x1b[31m"'


# The file of calls that fail, without `logFile`


@pytest.fixture
def plain(node: Node) -> Node:
    """A node whose configurations have no log file. Its /var/log is a directory of the test."""
    node.file.parent.mkdir()
    script = f'mount --bind "{node.file.parent}" /var/log && exec "$@"'
    node.prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    return node


@pytest.mark.root
def test_an_add_that_fails_leaves_all_its_lines(plain: Node) -> None:
    plain.plugins.tell("two", "ADD", exit=1)
    done = plain.call("ADD", plain.conf(logFile=None, unknownKey=1))
    assert done.code == 1
    warning, failed, *_ = plain.said()
    assert warning == 'verbose ADD warning: "unknownKey": unknown key'
    assert failed.startswith("error ADD failed ms= code=999: pod shop/web: network two (net1): ")
    assert done.stderr.replace("nadmit: ", "") == plain.file.read_text()
    assert plain.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.root
def test_an_add_that_works_leaves_none(plain: Node) -> None:
    for verb in ("ADD", "CHECK", "STATUS", "DEL"):
        assert plain.call(verb, plain.conf(logFile=None, logLevel="debug", unknownKey=1)).code == 0
    assert not plain.file.exists()


@pytest.mark.root
def test_lines_of_a_failure_have_the_level_of_the_configuration(plain: Node) -> None:
    plain.plugins.tell("two", "ADD", exit=1)
    plain.call("ADD", plain.conf(logFile=None, logLevel="panic"))
    assert not plain.file.exists()
    plain.call("ADD", plain.conf(logFile=None, logLevel="DEBUG", logToStderr=False))
    assert plain.said()[0].startswith("debug ADD delegate ADD one ")


@pytest.mark.root
@pytest.mark.parametrize("changes", [{"logFile": ""}, {"LOGFILE": "", "logFile": None}])
def test_an_empty_log_file_switches_it_off(plain: Node, changes: dict[str, Any]) -> None:
    plain.plugins.tell("two", "ADD", exit=1)
    plain.call("ADD", plain.conf(**changes))
    assert not plain.file.exists()


@pytest.mark.root
def test_a_log_directory_that_cannot_be_written_fails_nothing(plain: Node) -> None:
    """A read-only system, such as that of an appliance."""
    plain.prefix = (
        *plain.prefix[:-2],
        plain.prefix[-2].replace("exec", "mount -o remount,bind,ro /var/log && exec"),
        "sh",
    )
    plain.plugins.tell("two", "ADD", exit=1)
    done = plain.call("ADD", plain.conf(logFile=None))
    assert (done.code, json.loads(done.stdout)["code"]) == (1, 999)
    assert "nadmit: logFile /var/log/nadmit.log: it is not written: Read-only file system; mount its" in done.stderr
    assert plain.call("DEL", plain.conf(logFile=None)).code == 0


@pytest.mark.root
def test_kept_lines_are_bounded(tmp_path: Path) -> None:
    LOG.begin("GC", "")
    path = tmp_path / "x.log"
    LOG.set_up(file=str(path), level="debug", to_stderr=False, options={}, is_for_failures=True)
    for number in range(3_000):
        LOG.debug(str(number))
    LOG.error("at last")
    LOG.verbose("after it")
    lines = path.read_text().splitlines()
    assert len(lines) == 1_001
    assert [line.rpartition("- ")[2] for line in (lines[0], *lines[-3:])] == ["2001", "2999", "at last", "after it"]
    LOG.begin()


# Standard error


@pytest.mark.root
def test_stderr_has_the_same_lines(node: Node) -> None:
    done = node.call("ADD")
    assert done.stderr == f"nadmit: {node.file.read_text()}"
    assert node.call("DEL", node.conf(logFile="")).stderr.startswith("nadmit: 20")


@pytest.mark.root
def test_stderr_can_be_silent_but_for_delegates(node: Node) -> None:
    node.plugins.tell("one", "ADD", stdout=RESULT, stderr="a delegate's word\n")
    done = node.call("ADD", node.conf(logToStderr=False))
    assert done.code == 0
    assert done.stderr == "a delegate's word\n"
    assert len(node.lines()) == 1
    done = node.call("ADD", node.conf(logToStderr=False, logFile=""))
    assert (done.code, done.stderr) == (1, "")


@pytest.mark.root
def test_a_closed_stderr_fails_nothing(node: Node) -> None:
    words = ["sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, "-IS", "-c", CODE]
    environ = {"CNI_COMMAND": "STATUS", "CNI_PATH": str(node.bin)}
    done = subprocess.run(
        words, input=json.dumps(node.conf(unknownKey=1)), env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# A file that cannot be written


@contextmanager
def tiny_disk(directory: Path, options: str = "size=32k") -> Iterator[None]:
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", directory], check=True)


def expect_one_line(node: Node, reason: str, **changes: Any) -> None:
    """ADD and DEL succeed although the log cannot be written, and each reports that once."""
    for verb in ("ADD", "DEL"):
        done = node.call(verb, node.conf(logToStderr=False, logLevel="debug", **changes))
        assert done.code == 0, done.stdout + done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("nadmit: logFile /")
        assert reason in done.stderr


@pytest.mark.root
def test_a_missing_directory_is_made(node: Node) -> None:
    file = node.directory / "a/b/c/x.log"
    assert node.call("ADD", node.conf(logFile=str(file))).code == 0
    assert LINE.fullmatch(file.read_text().rstrip("\n"))
    assert file.parent.stat().st_mode & 0o777 == 0o755


@pytest.mark.root
def test_a_directory_that_cannot_be(node: Node) -> None:
    (node.directory / "logs").write_text("a file")
    expect_one_line(node, "Not a directory")


@pytest.mark.root
def test_a_directory_instead_of_a_file(node: Node) -> None:
    node.file.mkdir(parents=True)
    expect_one_line(node, "Is a directory")


@pytest.mark.root
def test_a_read_only_file_system(node: Node) -> None:
    with tiny_disk(node.file.parent):
        subprocess.run(["mount", "-o", "remount,ro", node.file.parent], check=True)
        expect_one_line(node, "mount its file system read-write")


@pytest.mark.root
def test_a_full_disk_cuts_no_other_line(node: Node) -> None:
    with tiny_disk(node.file.parent):
        page = os.sysconf("SC_PAGE_SIZE")
        node.file.write_text("x" * (page - 21) + "\n")
        filler = node.file.parent / "filler"
        subprocess.run(["sh", "-c", f"cat /dev/zero > {filler} 2>/dev/null"], check=False)
        expect_one_line(node, "free space on its file system")
        assert node.file.stat().st_size == page, "a part of a line fitted"
        filler.unlink()
        node.call("ADD", node.conf(logToStderr=False))
        *_, cut, whole = node.file.read_text().splitlines()
        assert LINE.fullmatch(cut) is None
        assert LINE.fullmatch(whole)


@pytest.mark.root
def test_a_pipe_without_a_reader_does_not_block(node: Node) -> None:
    node.file.parent.mkdir()
    os.mkfifo(node.file)
    expect_one_line(node, "no process reads this pipe")


@pytest.mark.root
def test_a_foreign_lock_is_not_waited_for_long(node: Node) -> None:
    node.file.parent.mkdir()
    node.file.touch()
    with node.file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        begun = time.monotonic()
        assert node.call("STATUS").code == 0
        assert time.monotonic() - begun < 5
    assert len(node.lines()) == 1


# Rotation


def fill(file: Path, mb: float = 1.0, text: str = "old\n") -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text * (int(mb * BYTES_PER_MB) // len(text) + 1))


def backups(file: Path) -> list[Path]:
    return [Path(name) for name in logfile.backups(str(file))]


@pytest.mark.root
@pytest.mark.parametrize("compress", [True, False])
def test_a_large_file_is_renamed(node: Node, *, compress: bool) -> None:
    """`compress` is accepted and has no effect."""
    fill(node.file)
    before = node.file.read_bytes()
    options = {"maxSize": 1, "compress": compress}
    assert node.call("ADD", node.conf(logOptions=options)).code == 0
    assert len(node.lines()) == 1
    (backup,) = backups(node.file)
    assert re.fullmatch(r"nadmit\.log\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-\d+", backup.name)
    assert backup.read_bytes() == before
    assert node.call("DEL", node.conf(logOptions=options)).code == 0
    assert len(node.lines()) == 2
    assert sorted(path.name for path in node.file.parent.iterdir()) == ["nadmit.log", backup.name]


@pytest.mark.root
@pytest.mark.parametrize("options", [{}, {"maxSize": 0}])
def test_by_default_a_file_may_have_100_mb(node: Node, options: dict[str, int]) -> None:
    fill(node.file)
    node.call("STATUS", node.conf(logOptions=options))
    assert backups(node.file) == []


@pytest.mark.root
def test_a_rotation_removes_old_backups(node: Node) -> None:
    fill(node.file)
    make_backups(node.file, ["2020-01-01T00-00-00.000Z-1", "2020-01-01T00-00-00.000Z-2.gz"])
    node.call("STATUS", node.conf(logOptions={"maxSize": 1}))
    assert len(backups(node.file)) == 1


@pytest.mark.root
def test_the_file_behind_a_link_is_rotated(node: Node) -> None:
    real = node.directory / "elsewhere" / "real.log"
    fill(real)
    node.file.parent.mkdir()
    node.file.symlink_to(real)
    node.call("STATUS", node.conf(logOptions={"maxSize": 1}))
    assert node.file.is_symlink()
    assert len(node.lines()) == 1
    assert len(backups(real)) == 1


@pytest.mark.root
def test_a_full_disk_leaves_the_backup_as_it_is(node: Node) -> None:
    with tiny_disk(node.file.parent, "size=1028k"):
        node.file.write_bytes(os.urandom(BYTES_PER_MB + 1))
        done = node.call("STATUS", node.conf(logOptions={"maxSize": 1}, logToStderr=False))
        assert (done.code, done.stderr.count("\n")) == (0, 1)
        assert "it is not written: No space left on device" in done.stderr
        (backup,) = backups(node.file)
        assert backup.stat().st_size == BYTES_PER_MB + 1


def make_backups(file: Path, stamps: Sequence[str]) -> list[Path]:
    file.parent.mkdir(exist_ok=True)
    made = [file.parent / f"{file.name}.{stamp}" for stamp in stamps]
    for path in made:
        path.write_text("old\n")
    return made


NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
STAMPS = (
    "2026-09-21T14-00-00.000Z-1",
    "2026-09-20T14-00-00.000Z-1.gz",
    "2026-09-19T14-00-00.000Z-1.gz",
    "2026-09-10T14-00-00.000Z-1.gz",
)
FOREIGN = ("1", "gz", "2026-09-10", "2026-09-10T14-00-00.000Z-", "2026-09-10T14-00-00.000Z-1.bak")


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, 3),  # 5 days, 5 backups
        ({"maxAge": 0}, 4),
        ({"maxAge": 2}, 2),
        ({"maxAge": 0, "maxBackups": 3}, 3),
        ({"maxAge": 0, "maxBackups": 1}, 1),
        ({"maxAge": 0, "maxBackups": 0}, 4),
    ],
)
def test_old_backups_are_removed(tmp_path: Path, options: dict[str, object], kept: int) -> None:
    file = tmp_path / "x.log"
    make_backups(file, STAMPS)
    foreign = [*make_backups(file, FOREIGN), tmp_path / "y.log.2020-01-01T00-00-00.000Z-1"]
    foreign[-1].touch()
    logfile.remove_old_backups(str(file), {**logfile.OPTIONS, **options}, now=NOW)
    assert [path.name for path in backups(file)] == [f"x.log.{stamp}" for stamp in STAMPS[:kept]]
    assert all(path.exists() for path in foreign)


def test_a_backup_beside_its_compressed_form_counts_once(tmp_path: Path) -> None:
    """A program can be killed after writing the compressed form."""
    file = tmp_path / "x.log"
    first, second = STAMPS[0], "2026-09-20T14-00-00.000Z-1"
    make_backups(file, [first, f"{first}.gz", second])
    logfile.remove_old_backups(str(file), {**logfile.OPTIONS, "maxBackups": 2}, now=NOW)
    assert len(backups(file)) == 3


WRITER = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from cniplugin.host import logfile
logfile.BYTES_PER_MB = 1000
path, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.stdin.read()
for number in range(count):
    log = logfile.LogFile(path, {{"maxSize": 1, "maxBackups": 0, "maxAge": 0, "compress": True}})
    for part in range(2):
        problem = log.append(f"{{who}} {{number}} {{part}}\\n".encode())
        assert not problem, problem
"""


@pytest.mark.slow
def test_processes_that_rotate_at_once_lose_no_line(tmp_path: Path) -> None:
    """Six processes, each as 60 calls of the plugin, with files of a hundred lines."""
    file, count = tmp_path / "x.log", 60
    words = [sys.executable, "-ISc", WRITER, str(file)]
    writers = [
        subprocess.Popen([*words, str(who), str(count)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for who in range(6)
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.close()
    for writer in writers:
        assert writer.stderr
        said = writer.stderr.read()
        writer.stderr.close()
        assert (writer.wait(), said) == (0, "")
    found = file.read_text().splitlines()
    made = backups(file)
    assert len(made) > 3
    for backup in made:
        found += backup.read_text().splitlines()
    assert sorted(found) == sorted(f"{who} {n} {part}" for who in range(6) for n in range(count) for part in range(2))


@pytest.mark.root
@pytest.mark.slow
def test_real_processes_that_rotate_at_once_lose_no_line(node: Node) -> None:
    fill(node.file)
    conf = node.conf(logOptions={"maxSize": 1})
    running = [node.start("STATUS", conf, CNI_CONTAINERID=f"c{number}") for number in range(8)]
    for process in running:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    (backup,) = backups(node.file)
    old = backup.read_text().splitlines()
    assert sorted(line["container"] for line in [*node.lines(), *(parse(line) for line in old if line != "old")]) == [
        f"c{number}" for number in range(8)
    ]


# Cost


@pytest.mark.root
@pytest.mark.parametrize(
    ("changes", "loaded"),
    [
        ({"logFile": ""}, set()),
        ({"logFile": None}, set()),
        ({}, {"cniplugin.host.logfile"}),
        ({"logOptions": {"maxSize": 1}}, {"cniplugin.host.logfile"}),
    ],
)
def test_who_pays(node: Node, changes: dict[str, Any], loaded: set[str]) -> None:
    fill(node.file)
    code = CODE.replace("sys.exit(main())", "main(); print(*sys.modules)")
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code],
        input=json.dumps(node.conf(**changes)),
        env={"CNI_COMMAND": "STATUS", "CNI_PATH": str(node.bin)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(done.stderr.split()) | set(done.stdout.split())
    assert names & {"cniplugin.host.logfile", "zlib", "gzip", "shutil"} == loaded


def test_lines_of_a_test_do_not_reach_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LOG.begin("ADD", "c1")
    LOG.set_up(file=str(tmp_path / "x.log"), level="debug", to_stderr=False, options={})
    LOG.debug("one")
    LOG.begin("DEL", "c2")
    LOG.debug("two")
    LOG.verbose("three")
    assert (tmp_path / "x.log").read_text().endswith(" debug ADD c1 - one\n")
    assert capsys.readouterr().err.endswith(" verbose DEL c2 - three\n")


def test_a_problem_is_returned_in_words(tmp_path: Path) -> None:
    assert (
        LogFile("/proc/nadmit/x.log", {}).append(b"x\n").startswith("logFile /proc/nadmit/x.log: it is not written: ")
    )
