"""Run one CNI plugin once: find it, start it, write stdin, read the output, kill it at the deadline (CNI 1.1 §2, §3).

Theory of operation. The delegate gets three pipes and a process group of its own. One `poll` loop writes stdin and
reads stdout and stderr, so that a full pipe cannot block the others, and watches the process through a pidfd. The loop
ends when the delegate exits, not when its output ends: a daemon that it started may hold the pipes open for ever.
Everything that the delegate wrote before its exit is in the pipes by then. At the deadline the whole group is killed.

As libcni (pkg/invoke), with these differences:

- A "text file busy" that lasts is an error. libcni then reports an empty success, and a DEL that never ran is lost.
- There is a deadline, and at most KEPT_BYTES_MAX of the output are kept, more than a result may have.
- A failure without a code has code 999. libcni leaves 0, which CNI 1.1 §5 does not define.
"""

from __future__ import annotations

import errno
import os
import select
import time

from cniplugin.cnierrors import INTERNAL, IO_FAILURE, TRY_AGAIN_LATER, PluginError
from cniplugin.host.log import LOG
from cniplugin.netspec.jsontext import quote
from cniplugin.netspec.rawjson import loads
from cniplugin.netspec.record import Record

from .cniargs import for_delegates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

TEXT_BUSY_ATTEMPTS = 6
TEXT_BUSY_WAIT_S = 1.0
"""As libcni pkg/invoke/raw_exec.go: an executable that is being installed is tried again."""

KEPT_BYTES_MAX = 2 * 1_048_576
"""Of stdout and of stderr. NB: more than netspec.result.RESULT_BYTES_MAX, so that cut output is never a result."""

_CHUNK_BYTES = 65_536
_LEFTOVER_BYTES_MAX = 1_048_576
"""/proc/sys/fs/pipe-max-size: a pipe holds no more when its writer ends."""
_TICK_S = 0.01
"""The interval of polling where the kernel (before 5.3) or the interpreter has no pidfd."""
_KILLED_WITHIN_S = 1.0
"""The longest wait for a killed delegate: one that hangs in the kernel must not block us."""
_SHOWN_CHARACTERS_MAX = 1_000

SIGKILL, SIGPIPE, SIGXFSZ = 9, 13, 25
"""signal(7), the same on every Linux that has containers; `signal` itself brings `enum`, 4 ms."""


class RuntimeConf(Record):
    """The values that delegates get besides their configuration (libcni `RuntimeConf`).

    `path` has the directories of CNI_PATH. `environ` is the runtime's environment, which delegates inherit. `deadline`
    is in seconds of `time.monotonic`. These hold for a whole verb; GC and STATUS need no others. For an attachment,
    `args` is CNI_ARGS, `capability_args` become `runtimeConfig`, each for the plugins that declare it, and `cni_args`
    go to `args.cni`. `arguments` are pairs of a capability and an argument of CNI_ARGS for the plugins that do not
    declare it.
    """

    container_id: str = ""
    netns: str = ""
    ifname: str = ""
    args: str = ""
    capability_args: Mapping[str, object] = {}  # never changed
    cni_args: Mapping[str, object] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
    path: tuple[str, ...]
    environ: Mapping[str, str]
    deadline: float


class Call(Record):
    """One call of a plugin. `kind` is its type, `executable` its file, `network` its network's name, for the log."""

    command: str
    kind: str
    network: str = ""
    executable: str
    stdin: str
    runtime: RuntimeConf


def find(kind: str, path: Sequence[str]) -> str:
    """Return the first regular file named `kind` in the directories of `path` (CNI 1.1 §2; libcni pkg/invoke/find.go).

    Raises PluginError 5. Does not check that the file is executable.
    """
    if kind and "/" not in kind:
        for directory in path:
            executable = os.path.join(directory, kind)  # noqa: PTH118  # pathlib costs 5 ms
            if directory and os.path.isfile(executable):  # noqa: PTH113  # as above
                return executable
    raise PluginError(kind, "", IO_FAILURE, f"failed to find plugin {quote(kind)} in path [{' '.join(path)}]")


def execute(call: Call, meanwhile: Callable[[], None] | None = None) -> bytes:
    """Run a plugin and return its stdout; blocks until it exits or the deadline comes.

    `meanwhile` is called while the plugin runs, for short work that would otherwise wait. On success, the stderr of the
    plugin is copied to ours. Raises PluginError: with the code, message and details that the plugin printed, else with
    code 999; 5 if it cannot be started; 11 if the deadline came first.
    """
    started, exit_status = time.monotonic(), "not started"
    try:
        with _Child(call) as child:
            exit_status = "killed at the deadline"
            is_done = child.attend(call.stdin.encode("utf-8", "replace"), call.runtime.deadline, meanwhile)
            if not is_done:
                raise _error(call, TRY_AGAIN_LATER, "netplugin did not end before the deadline and was killed")
        code = child.exit_code()
        exit_status = str(code)
    finally:
        where = f"{call.command} {call.kind} network={call.network} ifname={call.runtime.ifname}"
        LOG.debug(f"delegate {where} ms={LOG.ms_since(started)} exit={exit_status}")
    if code is None:
        raise _error(call, INTERNAL, "netplugin exited, and its exit status is lost")
    if code:
        raise _failure(call, code, stdout=child.stdout, stderr=child.stderr)
    _forward(child.stderr)
    return child.stdout


class _Child:
    """A delegate's process and our ends of its pipes. Leaving the `with` closes the pipes and reaps the process."""

    def __init__(self, call: Call) -> None:
        self._status: int | None = None
        self._is_reaped = False
        try:
            ours, theirs = _pipes()
        except OSError as error:
            raise _error(call, IO_FAILURE, f"cannot start {call.executable}: {error.strerror}") from error
        try:
            self._pid = _spawn(call, theirs)
        except BaseException:
            _close(*ours)
            raise
        finally:
            _close(*theirs)
        self._stdin, self._stdout, self._stderr = ours
        self._open = set(ours)
        self._kept = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._poll = select.poll()
        self._pidfd = _open_pidfd(self._pid)
        for fd in ours:
            os.set_blocking(fd, False)
            self._poll.register(fd, select.POLLOUT if fd == self._stdin else select.POLLIN)
        if self._pidfd is not None:
            self._open.add(self._pidfd)
            self._poll.register(self._pidfd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self._is_reaped:
            self._kill()
        _close(*self._open)

    @property
    def stdout(self) -> bytes:
        return bytes(self._kept[self._stdout])

    @property
    def stderr(self) -> bytes:
        return bytes(self._kept[self._stderr])

    def exit_code(self) -> int | None:
        """Return the exit status, negative for a signal as in `subprocess`. None if the status was lost."""
        return None if self._status is None else os.waitstatus_to_exitcode(self._status)

    def attend(self, request: bytes, deadline: float, meanwhile: Callable[[], None] | None = None) -> bool:
        """Write and read until the process exits (True) or the deadline comes (False)."""
        rest = self._feed(memoryview(request))
        if meanwhile is not None:
            meanwhile()
        while not self._reap():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for fd, _ in self._poll.poll(self._pause_ms(left)):
                if fd == self._stdin:
                    rest = self._feed(rest)
                elif fd in self._kept:
                    self._drain(fd)
        for fd in self._kept:
            for _ in range(_LEFTOVER_BYTES_MAX // _CHUNK_BYTES):
                if fd not in self._open or not self._drain(fd):
                    break
        return True

    def _pause_ms(self, left: float) -> int:
        """NB: `poll` takes whole milliseconds. Rounding down would make a busy loop of the last one."""
        return int((left if self._pidfd is not None else min(left, _TICK_S)) * 1000) + 1

    def _feed(self, rest: memoryview) -> memoryview:
        """Write as much as the pipe takes. A delegate may exit without reading its request."""
        try:
            rest = rest[os.write(self._stdin, rest) :] if rest else rest
        except BlockingIOError:
            return rest
        except BrokenPipeError:
            rest = rest[:0]
        if not rest:
            self._drop(self._stdin)
        return rest

    def _drain(self, fd: int) -> bool:
        """Read once; say whether there may be more. NB: reads beyond the limit, or the writer would block."""
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._drop(fd)
            return False
        kept = self._kept[fd]
        kept += chunk[: KEPT_BYTES_MAX - len(kept)]
        return True

    def _drop(self, fd: int) -> None:
        self._poll.unregister(fd)
        self._open.discard(fd)
        os.close(fd)

    def _reap(self) -> bool:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:  # SIGCHLD was ignored when we were started
            self._is_reaped = True
            return True
        if pid:
            self._status, self._is_reaped = status, True
        return self._is_reaped

    def _kill(self) -> None:
        """Kill the group and wait for its leader; init reaps the others."""
        try:  # noqa: SIM105  # contextlib costs 1 ms
            os.killpg(self._pid, SIGKILL)
        except ProcessLookupError:
            pass
        watch = select.poll()
        if self._pidfd is not None:
            watch.register(self._pidfd, select.POLLIN)
        until = time.monotonic() + _KILLED_WITHIN_S
        while not self._reap() and time.monotonic() < until:
            watch.poll(_TICK_S * 1000)


def _pipes() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return our ends of stdin, stdout and stderr, and the delegate's ends. All are closed on exec."""
    ends: list[int] = []
    try:
        for _ in range(3):
            ends += os.pipe()
    except OSError:
        _close(*ends)
        raise
    return (ends[1], ends[2], ends[4]), (ends[0], ends[3], ends[5])


def _spawn(call: Call, pipes: tuple[int, int, int]) -> int:
    """Start the delegate and return its process ID. Tries again while the executable is being written (libcni)."""
    for attempt in range(1, TEXT_BUSY_ATTEMPTS + 1):
        left = call.runtime.deadline - time.monotonic()
        if left <= 0:
            raise _error(call, TRY_AGAIN_LATER, f"netplugin was not started: the deadline passed{_busy(attempt - 1)}")
        try:
            return _spawn_once(call, pipes)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise _error(call, IO_FAILURE, f"cannot start {call.executable}: {error.strerror}") from error
        except ValueError as error:  # a zero byte in its environment
            raise _error(call, IO_FAILURE, f"cannot start {call.executable}: {error}") from error
        if attempt < TEXT_BUSY_ATTEMPTS:
            time.sleep(min(TEXT_BUSY_WAIT_S, left))
    raise _error(call, TRY_AGAIN_LATER, f"cannot start {call.executable}: text file busy, {TEXT_BUSY_ATTEMPTS} times")


def _busy(times: int) -> str:
    return f"; text file busy, {times} times" if times else ""


def _spawn_once(call: Call, pipes: tuple[int, int, int]) -> int:
    """NB: Python ignores SIGPIPE and SIGXFSZ, and an ignored signal stays ignored after exec."""
    return os.posix_spawn(
        call.executable,
        [call.executable],
        _environment(call),
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(pipes)],
        setpgroup=0,
        setsigdef=[SIGPIPE, SIGXFSZ],
    )


def _environment(call: Call) -> dict[str, str]:
    runtime = call.runtime
    return {
        **runtime.environ,
        "CNI_COMMAND": call.command,
        "CNI_CONTAINERID": runtime.container_id,
        "CNI_NETNS": runtime.netns,
        "CNI_ARGS": for_delegates(runtime.args),
        "CNI_IFNAME": runtime.ifname,
        "CNI_PATH": ":".join(runtime.path),
    }


def _open_pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # an interpreter or a kernel without it
        return None


def _close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def _forward(stderr: bytes) -> None:
    """Copy a delegate's stderr to ours, which the runtime may have closed."""
    try:
        while stderr:
            stderr = stderr[os.write(2, stderr) :]
    except OSError:
        pass


def _failure(call: Call, code: int, *, stdout: bytes, stderr: bytes) -> PluginError:
    """Return the error of a delegate that failed, as libcni reads it (pkg/invoke/raw_exec.go pluginErr)."""
    reason = f"exit status {code}" if code > 0 else f"signal: {_signal_text(-code)}"
    printed, complaint = _shown(stdout), _shown(stderr)
    if not printed:
        message = f": {quote(complaint)}" if complaint else " with no error message"
        return _error(call, INTERNAL, f"netplugin failed{message}: {reason}")
    try:
        error = loads(stdout)
    except (ValueError, RecursionError):
        error = None
    if not isinstance(error, dict) or not (error.get("msg") or error.get("code")):
        return _error(call, INTERNAL, f"netplugin failed but error parsing its diagnostic message {quote(printed)}")
    own, details = error.get("code"), error.get("details") or ""
    return _error(
        call,
        own if isinstance(own, int) and not isinstance(own, bool) and own > 0 else INTERNAL,
        str(error.get("msg") or f"netplugin failed with no error message: {reason}"),
        details if isinstance(details, str) else quote(details),
    )


def _signal_text(number: int) -> str:
    import signal  # noqa: PLC0415  # loaded only for a delegate that was killed

    return (signal.strsignal(number) or str(number)).lower()


def _shown(output: bytes) -> str:
    text = output[: 4 * _SHOWN_CHARACTERS_MAX].decode("utf-8", "replace").strip()
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "..."


def _error(call: Call, code: int, msg: str, details: str = "") -> PluginError:
    return PluginError(call.kind, call.command, code, msg, details)
