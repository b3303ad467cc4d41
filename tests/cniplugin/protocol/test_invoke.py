"""One call of a plugin, with real processes: data of any size, every kind of end, and no remains."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cniplugin.cnierrors import INTERNAL, IO_FAILURE, TRY_AGAIN_LATER, PluginError
from cniplugin.protocol import invoke
from cniplugin.protocol.invoke import Call, RuntimeConf
from tests.fakes.cni_plugin import Plugins
from tests.fakes.waiting import wait_until

RESULT = '{"cniVersion":"1.0.0"}'


def open_fds() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208  # iterdir closes its own descriptor too late


def children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    """Yield a directory of plugins; check that no file descriptor and no child process is left."""
    fds, before = open_fds(), children()
    yield Plugins(tmp_path)
    assert open_fds() == fds
    assert children() == before


def call(plugins: Plugins, **changes: Any) -> Call:
    values: dict[str, Any] = {
        "command": "ADD",
        "kind": "fake",
        "executable": str(plugins.directory / "fake"),
        "stdin": '{"name":"net"}',
        "container_id": "cid",
        "netns": "/run/netns/x",
        "ifname": "eth0",
        "args": "K8S_POD_NAME=a=b",
        "path": ("/opt/cni/bin", str(plugins.directory)),
        "environ": {"PATH": os.environ["PATH"], "KEPT": "1", "CNI_IFNAME": "old"},
        "deadline": time.monotonic() + 20,
    }
    values |= changes
    runtime = {key: values.pop(key) for key in RuntimeConf.__fields__ if key in values}
    return Call(**values, runtime=RuntimeConf(**runtime))


def failure(plugins: Plugins, **changes: Any) -> PluginError:
    with pytest.raises(PluginError) as caught:
        invoke.execute(call(plugins, **changes))
    return caught.value


def is_alive(pid: int) -> bool:
    """NB: a zombie that init has not reaped yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text(), lambda: f"{path} was not written")
    return int(path.read_text())


class TestFind:
    def test_the_first_regular_file_counts(self, tmp_path: Path) -> None:
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
        (tmp_path / "a" / "bridge").mkdir()
        (tmp_path / "b" / "bridge").touch()
        (tmp_path / "c" / "bridge").touch()
        assert invoke.find("bridge", [str(tmp_path / name) for name in "abc"]) == str(tmp_path / "b" / "bridge")

    @pytest.mark.parametrize("kind", ["", "../bridge", "b/bridge", "absent", ".", "nul\0"])
    def test_anything_else_is_not_found(self, tmp_path: Path, kind: str) -> None:
        (tmp_path / "bridge").touch()
        with pytest.raises(PluginError) as caught:
            invoke.find(kind, ["", str(tmp_path)])
        assert caught.value.code == IO_FAILURE
        assert f"in path [ {tmp_path}]" in caught.value.msg

    def test_the_message_is_libcni_s(self) -> None:
        with pytest.raises(PluginError, match=r'failed to find plugin "x" in path \[/a /b\]'):
            invoke.find("x", ("/a", "/b"))


class TestSuccess:
    def test_the_plugin_gets_request_and_environment(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout=RESULT)
        assert invoke.execute(call(plugins)) == RESULT.encode()
        [got] = plugins.calls()
        assert got["request"] == {"name": "net"}
        shown = {key: value for key, value in got["environ"].items() if key.startswith("CNI_") or key == "KEPT"}
        assert shown == {
            "KEPT": "1",
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": "cid",
            "CNI_NETNS": "/run/netns/x",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": "K8S_POD_NAME=a=b;IgnoreUnknown=1",
            "CNI_PATH": f"/opt/cni/bin:{plugins.directory}",
        }

    def test_it_runs_in_a_group_of_its_own_with_our_files_closed(self, plugins: Plugins) -> None:
        plugins.install("fake")
        invoke.execute(call(plugins))
        [got] = plugins.calls()
        assert got["pgid"] == got["pid"] != os.getpgid(0)
        # 0, 1, 2, and the one of the listing, beside those that pytest itself leaves open
        assert len(set(got["fds"]) - {int(fd) for fd in open_fds()}) <= 1

    def test_no_signal_is_ignored_because_python_does(self, plugins: Plugins) -> None:
        program = plugins.directory / "fake"
        program.write_text("#!/bin/sh\nexec grep SigIgn /proc/self/status\n")
        program.chmod(0o755)
        ignored = int(invoke.execute(call(plugins)).split()[1], 16)
        assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)

    def test_variables_a_verb_has_no_use_for_are_empty(self, plugins: Plugins) -> None:
        plugins.install("fake")
        nothing = dict.fromkeys(("container_id", "netns", "ifname", "args"), "")
        invoke.execute(call(plugins, command="GC", **nothing))
        [got] = plugins.calls()
        assert [got["environ"][f"CNI_{name}"] for name in ("CONTAINERID", "NETNS", "IFNAME", "ARGS")] == [""] * 4

    def test_stderr_is_forwarded(self, plugins: Plugins, capfd: pytest.CaptureFixture[str]) -> None:
        plugins.tell("fake", "ADD", stdout=RESULT, stderr="a warning\n")
        invoke.execute(call(plugins))
        assert capfd.readouterr() == ("", "a warning\n")

    def test_without_a_pidfd(self, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(os, "pidfd_open")
        plugins.tell("fake", "ADD", stdout=RESULT, close=True, hang=0.05)
        assert invoke.execute(call(plugins)) == RESULT.encode()
        assert failure(plugins, deadline=time.monotonic() + 0.06).code == TRY_AGAIN_LATER


class TestSizes:
    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_500_000])
    def test_data_of_any_size_on_all_pipes_at_once(
        self, plugins: Plugins, size: int, capfd: pytest.CaptureFixture[str]
    ) -> None:
        much = {"repeat": "x", "times": size}
        plugins.tell("fake", "ADD", stdout=much, stderr=much)
        request = json.dumps({"name": "n", "pad": "y" * size})
        assert invoke.execute(call(plugins, stdin=request)) == b"x" * size
        assert capfd.readouterr().err == "x" * size
        assert plugins.calls()[0]["stdin"] == request

    def test_output_before_the_request_is_read(self, plugins: Plugins, tmp_path: Path) -> None:
        """A plugin that writes before it reads would deadlock with a caller that writes the whole request first."""
        program = tmp_path / "fake"
        program.write_text("#!/bin/sh\nhead -c 300000 /dev/zero\nhead -c 300000 /dev/zero >&2\ncat\n")
        program.chmod(0o755)
        printed = invoke.execute(call(plugins, stdin="z" * 300_000))
        assert printed == bytes(300_000) + b"z" * 300_000

    def test_a_plugin_that_does_not_read(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", read=False, stdout=RESULT)
        assert invoke.execute(call(plugins, stdin="z" * 1_000_000)) == RESULT.encode()

    def test_a_plugin_that_closes_its_stdin_and_goes_on(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", read=False, stdout=RESULT, close=True, hang=0.05)
        assert invoke.execute(call(plugins, stdin="z" * 1_000_000)) == RESULT.encode()

    def test_more_than_any_result_has_is_read_and_not_kept(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout={"repeat": "x" * 1000, "times": 10_000})
        assert len(invoke.execute(call(plugins))) == invoke.KEPT_BYTES_MAX

    def test_a_daemon_left_behind_does_not_hold_us(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout=RESULT, spread=30)
        started = time.monotonic()
        assert invoke.execute(call(plugins)) == RESULT.encode()
        assert time.monotonic() - started < 5
        child = wait_for(plugins.directory / "fake.child")
        assert is_alive(child)
        os.kill(child, signal.SIGKILL)


class TestFailure:
    """Rule 21: the output of a failing plugin, as libcni reads it."""

    def test_its_own_error_is_kept(self, plugins: Plugins, capfd: pytest.CaptureFixture[str]) -> None:
        said = {"cniVersion": "1.0.0", "code": 11, "msg": "later", "details": "in a minute"}
        plugins.tell("fake", "ADD", stdout=json.dumps(said), stderr="noise", exit=1)
        error = failure(plugins)
        assert (error.plugin, error.command) == ("fake", "ADD")
        assert (error.code, error.msg, error.details) == (11, "later", "in a minute")
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("behaviour", "msg"),
        [
            ({"exit": 3}, "netplugin failed with no error message: exit status 3"),
            ({"exit": 1, "stderr": "no bridge\n"}, 'netplugin failed: "no bridge": exit status 1'),
            ({"exit": 1, "stderr": "\udcff"}, 'netplugin failed: "\ufffd": exit status 1'),
            ({"kill": 9}, "netplugin failed with no error message: signal: killed"),
            ({"kill": 11, "stderr": "oops"}, 'netplugin failed: "oops": signal: segmentation fault'),
            (
                {"exit": 1, "stdout": "panic: nil"},
                'netplugin failed but error parsing its diagnostic message "panic: nil"',
            ),
            ({"exit": 1, "stdout": "[1]"}, 'netplugin failed but error parsing its diagnostic message "[1]"'),
            ({"exit": 1, "stdout": "{}"}, 'netplugin failed but error parsing its diagnostic message "{}"'),
        ],
    )
    def test_output_that_is_not_a_cni_error(self, plugins: Plugins, behaviour: dict[str, Any], msg: str) -> None:
        plugins.tell("fake", "ADD", **behaviour)
        error = failure(plugins)
        assert (error.code, error.msg, error.details) == (INTERNAL, msg, "")

    @pytest.mark.parametrize("code", [0, -1, True, "7", None, 1.5])
    def test_an_unusable_code_becomes_999(self, plugins: Plugins, code: object) -> None:
        plugins.tell("fake", "ADD", stdout=json.dumps({"code": code, "msg": "m", "details": {"a": 1}}), exit=1)
        error = failure(plugins)
        assert (error.code, error.msg, error.details) == (INTERNAL, "m", '{"a":1}')

    def test_a_code_without_a_message(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout='{"code": 100}', exit=1)
        assert failure(plugins).code == 100
        assert failure(plugins).msg == "netplugin failed with no error message: exit status 1"

    def test_a_long_or_deep_message_is_cut(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout={"repeat": "[", "times": 300_000}, exit=1)
        error = failure(plugins)
        assert error.code == INTERNAL
        assert len(error.msg) < 1_200

    @pytest.mark.parametrize("text", ["not a program", "#!/no/such/interpreter\n"])
    def test_a_file_that_cannot_be_run(self, plugins: Plugins, text: str) -> None:
        (plugins.directory / "fake").write_text(text)
        (plugins.directory / "fake").chmod(0o755)
        error = failure(plugins)
        assert error.code == IO_FAILURE
        assert error.msg.startswith(f"cannot start {plugins.directory}/fake: ")

    def test_a_file_without_the_permission_to_run(self, plugins: Plugins) -> None:
        (plugins.directory / "fake").write_text("#!/bin/sh\n")
        assert failure(plugins).msg == f"cannot start {plugins.directory}/fake: Permission denied"

    def test_a_zero_byte_in_the_environment(self, plugins: Plugins) -> None:
        plugins.install("fake")
        assert failure(plugins, args="a=\0").code == IO_FAILURE

    def test_no_file_descriptors_left(self, plugins: Plugins) -> None:
        """Each of the three pipes may be the one that cannot be made."""
        plugins.install("fake")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(fd) for fd in open_fds())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, limits[1]))
        taken: list[int] = []
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(0))
            errors = []
            for _ in range(6):
                errors.append(failure(plugins))
                os.close(taken.pop())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for fd in taken:
                os.close(fd)
        assert {error.code for error in errors} == {IO_FAILURE}
        assert all(error.msg.endswith("/fake: Too many open files") for error in errors)

    def test_a_lost_exit_status_is_no_success(self, plugins: Plugins) -> None:
        """A process that ignores SIGCHLD does not get the exit status of its children."""
        plugins.install("fake")
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            error = failure(plugins)
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert (error.code, error.msg) == (INTERNAL, "netplugin exited, and its exit status is lost")

    def test_our_stderr_has_no_reader(self, plugins: Plugins) -> None:
        plugins.tell("fake", "ADD", stdout=RESULT, stderr="a warning")
        kept = os.dup(2)
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
        os.close(writer)
        try:
            assert invoke.execute(call(plugins)) == RESULT.encode()
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class TestDeadline:
    @pytest.mark.parametrize("close", [False, True])
    def test_the_whole_group_is_killed(self, plugins: Plugins, close: bool) -> None:  # noqa: FBT001
        plugins.tell("fake", "ADD", spread=30, hang=30, close=close)
        child = plugins.directory / "fake.child"
        for left_s in (0.2, 2.0, 20.0):  # on a busy machine the plugin may need longer to start its child
            error = failure(plugins, deadline=time.monotonic() + left_s)
            assert error.code == TRY_AGAIN_LATER
            assert error.msg == "netplugin did not end before the deadline and was killed"
            if child.exists() and child.read_text():
                break
        wait_until(lambda: not is_alive(int(child.read_text())))
        assert not is_alive(plugins.calls()[-1]["pid"])

    def test_endless_output_ends_at_the_deadline(self, plugins: Plugins) -> None:
        program = plugins.directory / "fake"
        program.write_text("#!/bin/sh\nexec yes\n")
        program.chmod(0o755)
        assert failure(plugins, deadline=time.monotonic() + 0.1).code == TRY_AGAIN_LATER

    def test_one_that_has_passed_starts_nothing(self, plugins: Plugins) -> None:
        plugins.install("fake")
        error = failure(plugins, deadline=time.monotonic() - 1)
        assert (error.code, error.msg) == (TRY_AGAIN_LATER, "netplugin was not started: the deadline passed")
        assert plugins.calls() == []

    def test_an_interrupt_leaves_no_process(self, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(_self: object, _left: object) -> float:
            raise KeyboardInterrupt

        plugins.tell("fake", "ADD", hang=30)
        monkeypatch.setattr(invoke._Child, "_pause_ms", interrupt)
        with pytest.raises(KeyboardInterrupt):
            invoke.execute(call(plugins))


class TestTextFileBusy:
    """Rule 22. A plugin that is open for writing cannot be run."""

    def test_it_is_tried_again(self, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(invoke, "TEXT_BUSY_WAIT_S", 0.02)
        plugins.tell("fake", "ADD", stdout=RESULT)
        writer = (plugins.directory / "fake").open("a")
        timer = threading.Timer(0.03, writer.close)
        timer.start()
        assert invoke.execute(call(plugins)) == RESULT.encode()
        timer.join()

    def test_it_ends_in_an_error(self, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(invoke, "TEXT_BUSY_WAIT_S", 0.001)
        plugins.install("fake")
        with (plugins.directory / "fake").open("a"):
            error = failure(plugins, command="DEL")
        assert error.code == TRY_AGAIN_LATER
        assert error.msg.endswith("/fake: text file busy, 6 times")
        assert plugins.calls() == []

    def test_the_deadline_comes_first(self, plugins: Plugins) -> None:
        plugins.install("fake")
        with (plugins.directory / "fake").open("a"):
            error = failure(plugins, deadline=time.monotonic() + 0.05)
        assert error.code == TRY_AGAIN_LATER
        assert error.msg == "netplugin was not started: the deadline passed; text file busy, 1 times"


@pytest.mark.slow
def test_many_calls_leak_nothing(plugins: Plugins) -> None:
    plugins.tell("fake", "ADD", stdout=RESULT)
    plugins.tell("fake", "DEL", exit=1)
    for _ in range(10):
        invoke.execute(call(plugins))
        failure(plugins, command="DEL")
        failure(plugins, executable="/no/such/file")
