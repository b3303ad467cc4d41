"""Put the plugin on a node and take it off again: `python3 -m cniplugin install | uninstall | show | ...`.

Theory of operation. `desired` first decides the files of the node, without a change. Then a state file in the CNI
configuration directory (`installed`) lists every path that will change, and whether a file existed there. Only then
`disk` changes the node, by steps that are each one rename, link or unlink, and durable:

    file   = link the existing file to a second name, once -> write a new file -> fsync -> rename -> fsync directory
    bundle = copy to a temporary directory -> rename -> its snapshot -> rename a link `nadmit` over the old

If this process ends at any moment, the runtime sees the old file or the new one. The next `install` continues; the next
`uninstall` restores the old files, with the same inodes. The configuration is placed last and removed first, so that
the runtime never reads one whose plugin is missing. The state file is removed last.

On a node with an installation, the credentials, the program and the configuration are independent: a part that cannot
be decided or placed stays as it is, and the others go on. So the token is renewed as long as there is one. A failure is
printed when it begins, and `show` reports it as long as it lasts.

Temporary names begin with "." and do not end with a suffix that a runtime reads.
"""

# pathlib is not allowed in this package:
# ruff: noqa: PTH112, PTH120

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import time

from cniplugin.cnierrors import CniError
from cniplugin.host.disk import KEPT, TEMPORARY, Disk, Item, beside, digest_of

from . import bundletree, forget, gc, installed, trial
from .commandline import (
    DIFFERS,
    DONE,
    FAILED,
    MISUSED,
    InstallError,
    UsageError,
    containers_have,
    help_text,
    read_arguments,
    say,
)
from .conflist import PLUGIN, is_in
from .defaultnetwork import RENAMED, Earlier, directories_of, wait_for_default
from .desired import FILES, Desired, attempt, credentials, gather, reason_of
from .dirchanges import DirectoryChanges
from .showing import show
from .uninstalling import (
    AttachedError,
    default_names,
    places,
    read_attached,
    restore_configuration,
    restore_name,
    uninstall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    from .installed import State

    class Changes(Protocol):
        """Waits for changes in directories, as `DirectoryChanges`; a test has one of its own."""

        def watch(self, directories: Sequence[str], /) -> None: ...  # noqa: D102  # as there
        def wait(self, seconds: float, directories: Sequence[str], /) -> bool: ...  # noqa: D102


ROUNDS_MAX = 10
"""With `--every`: a failure that lasts since the start ends the process after so many rounds. A DaemonSet then shows
restarts, and each start renews the token at once."""


def main(argv: Sequence[str]) -> int:
    """Run one command of the installer; `argv` is without the program's name. Returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(DONE))  # process 1 of a container has no default handler
    if argv[:1] == ["show"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `show | head` ends quietly; the others must not end half-way
    return run(argv, environ=os.environ, changes=DirectoryChanges(_warn))


def run(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    on_step: Callable[[str], None] = lambda _what: None,
    sleep: Callable[[float], None] = time.sleep,
    changes: Changes | None = None,
) -> int:
    """As `main`; `on_step` gets every change before it is made. Without `changes`, one is seen after `--every`."""
    if not argv or {"-h", "--help", "help"} & set(argv):
        say(help_text())
        return DONE if argv else MISUSED
    disk = Disk("", on_step)
    changes = changes or _Sleeping(sleep)
    try:
        command, options = read_arguments(argv)
        disk.root = options["root"].rstrip("/")
        if command == "show":
            return show(disk, options)
        if command in {"forget", "gc"}:
            return _give_up(command, disk, options, environ)
        if command == "uninstall":
            return _uninstall_and_stay(disk, options, environ, changes)
        return _install_and_stay(disk, options, environ, sleep, changes)
    except UsageError as error:
        _warn(f"usage: {error}")
        return MISUSED
    except (InstallError, CniError) as error:
        _warn(str(error))
        return FAILED
    except OSError as error:
        _warn(f"{error.filename or disk.doing}: {error.strerror}")
        return FAILED


def _give_up(command: str, disk: Disk, options: Mapping[str, str], environ: Mapping[str, str]) -> int:
    """Run `forget` or `gc` with the directories of what is installed."""
    state = installed.load(disk, options) if disk.has(options["cni-conf-dir"]) else installed.empty()
    if command == "gc":
        return gc.collect(options, places(options, state), environ)
    is_forced = bool(options["force"])
    return forget.forget(options["container"], places(options, state), environ, is_forced=is_forced)


def _warn(text: str) -> None:
    sys.stderr.write(f"nadmit: {text}\n")
    sys.stderr.flush()


class _Sleeping:
    """Waits for the end of the time only."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep

    def watch(self, _directories: Sequence[str]) -> None:
        """Do nothing."""

    def wait(self, seconds: float, _directories: Sequence[str]) -> bool:
        """Sleep."""
        self._sleep(seconds)
        return False


class Printed:
    """The lines of the last round, so that a line which stays true is printed once."""

    def __init__(self) -> None:
        self._notes: frozenset[str] = frozenset()
        self._warnings: frozenset[str] = frozenset()

    def tell(self, notes: Sequence[str]) -> None:
        """Print the notes that the last round did not have."""
        for note in notes:
            if note not in self._notes:
                say(note)
        self._notes = frozenset(notes)

    def warn_of(self, warnings: Sequence[str]) -> None:
        """Print the warnings that the last round did not have, and once that there are none any more."""
        for warning in warnings:
            if warning not in self._warnings:
                _warn(warning)
        if self._warnings and not warnings:
            say("renewed: what failed before is done")
        self._warnings = frozenset(warnings)


# The process of a DaemonSet


def _install_and_stay(
    disk: Disk,
    options: Mapping[str, str],
    environ: Mapping[str, str],
    sleep: Callable[[float], None],
    changes: Changes,
) -> int:
    """Install; with `--every`, repeat. Without an installation before, a failure ends the process."""
    every, printed = float(options["every"]), Printed()
    directories = [disk.at(path) for path in (*directories_of(options), options["cni-bin-dir"])]
    directories.append(options["service-account"])
    changes.watch(directories)
    try:
        with _locked(disk, options["cni-conf-dir"], waits=True):
            if not installed.is_in_place(disk, installed.load(disk, options)):
                wait_for_default(disk, options, sleep)
            is_done = install_once(disk, options, environ, printed, may_switch=not every)
        rounds_left = None if is_done else ROUNDS_MAX
        while every and rounds_left != 0:
            is_woken = changes.wait(every, directories)
            is_done = _install_again(disk, options, environ, printed, may_switch=not is_woken)
            rounds_left = None if is_done or rounds_left is None else rounds_left - (not is_woken)
    except SystemExit:
        if options["cleanup-on-exit"]:
            _clean_up(disk, options)
        raise
    return DONE if is_done else FAILED


def _install_again(
    disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], printed: Printed, *, may_switch: bool
) -> bool:
    """Install once more. What install_once does not survive is a warning too: the installed files stay."""
    try:
        with _locked(disk, options["cni-conf-dir"], waits=True):
            return install_once(disk, options, environ, printed, may_switch=may_switch)
    except (InstallError, CniError, OSError) as error:
        printed.warn_of([_not_renewed(reason_of(error))])
        return False


def _not_renewed(reason: str) -> str:
    return f"not renewed, the installed files stay: {reason}"


def _clean_up(disk: Disk, options: Mapping[str, str]) -> None:
    """Restore the configuration, unless a pod has networks that only this plugin detaches. The program stays."""
    with _locked(disk, options["cni-conf-dir"], waits=True):
        state = installed.load(disk, options)
        if not installed.is_in_place(disk, state):
            return
        directory = disk.at(places(options, state)["record-dir"])
        number = read_attached(directory, default_names(disk, state)).with_networks
        if number:
            _warn(
                f"--cleanup-on-exit: the configuration stays, because {containers_have(number)} networks of their own"
            )
            return
        restore_configuration(disk, options, state)
        say("the configuration is restored")


def _uninstall_and_stay(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], changes: Changes) -> int:
    """Uninstall; with `--every`, stay: until it can be done, renewing the token, and then until the end.

    Otherwise the kubelet would restart this container, and the plugin would have no valid token meanwhile.
    """
    every, printed = float(options["every"]), Printed()
    rounds_left = ROUNDS_MAX
    left = "not tried yet"
    while True:
        try:
            if left:
                with _locked(disk, options["cni-conf-dir"]):
                    left = uninstall(disk, options)
                printed.tell([left] if left else [])
                rounds_left = ROUNDS_MAX
        except (InstallError, CniError, OSError) as error:
            if not every or rounds_left == 0:
                raise
            rounds_left -= 1
            printed.warn_of([reason_of(error), *_renew(disk, options, environ, error)])
        if not every:
            return DIFFERS if left else DONE
        changes.wait(every, [options["service-account"]])


def _renew(disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], error: Exception) -> Iterator[str]:
    """Renew the installed credentials while an uninstall waits for pods; yield what failed."""
    directory = f"{options['cni-conf-dir']}/{FILES}"
    state = installed.load(disk, options) if isinstance(error, AttachedError) else installed.empty()
    if f"{directory}/token" not in state["files"]:
        return
    try:
        for item in credentials(options, environ, directory):
            if disk.digest(item.path) != digest_of(item):
                disk.place(item)
                say(f"placed {item.path}")
    except (InstallError, CniError, OSError) as failure:
        yield _not_renewed(reason_of(failure))


# Changes of the node


def install_once(
    disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], printed: Printed, *, may_switch: bool
) -> bool:
    """Install; say whether everything is as desired. Hold the lock. Without an installation, raises what fails."""
    stored, other_states = installed.load_all(disk, options)
    is_installed = installed.is_in_place(disk, stored)
    is_continued = is_installed or bool(stored["renamed"])
    earlier = installed.earlier_network(stored, may_switch=may_switch) if is_continued else Earlier()
    own = stored["conf"] if is_installed else ""
    desired = gather(disk, options, environ, earlier=earlier, own=own, is_installed=is_installed)
    desired, state = _planned(disk, stored, desired, is_installed=is_installed)
    printed.tell(desired.notes)
    installed.store(disk, options, state)
    placing = _Placing(disk, options, environ, state, desired)
    failures = list(desired.failures)
    for place in (placing.directories, placing.credentials, placing.program, placing.configuration):
        _, failure = attempt(place, None, is_installed=is_installed)
        failures += [failure] if failure else []
    if not failures:
        _drop_obsolete(disk, state, desired)
        _rename_default(disk, options, state, desired)
        for path in other_states:
            disk.remove(path)
    state["failures"] = failures
    installed.store(disk, options, state)
    printed.warn_of([_not_renewed(failure) for failure in failures])
    for path in placing.placed:
        say(f"placed {path}")
    if placing.placed or (state != stored and not failures):
        say(f"installed around {desired.around or stored['default_network']['path']}")
    for note in placing.notes:
        say(note)
    return not failures


def _planned(disk: Disk, stored: State, desired: Desired, *, is_installed: bool) -> tuple[Desired, State]:
    """Return the plan, and the state with its paths. If a path is in the way, only the credentials are left of it."""
    state, failure = attempt(lambda: installed.plan(disk, stored, desired), None, is_installed=is_installed)
    if state is not None:
        return desired, state
    rest = Desired(
        credentials=desired.credentials,
        directories=tuple(path for path in desired.directories if path.endswith(f"/{FILES}")),
        notes=desired.notes,
        failures=(*desired.failures, failure),
    )
    return rest, installed.plan(disk, stored, rest)


class _Placing:
    """One round of changes. `placed`: the paths that were changed. `notes`: what the trial of the plugin said."""

    def __init__(
        self, disk: Disk, options: Mapping[str, str], environ: Mapping[str, str], state: State, desired: Desired
    ) -> None:
        self.placed: list[str] = []
        self.notes: list[str] = []
        self._disk, self._options, self._environ = disk, options, environ
        self._state, self._desired = state, desired
        self._is_tried = False

    def directories(self) -> None:
        for path in self._desired.directories:
            if not os.path.isdir(self._disk.at(path)):
                self._disk.make_directory(path, 0o700 if path.endswith(f"/{FILES}") else 0o755)

    def credentials(self) -> None:
        for item in self._desired.credentials:
            self._place(item)

    def program(self) -> None:
        """Place the program. A bundle is tried before the link to it is placed, a single file after it is."""
        disk, desired = self._disk, self._desired
        if not desired.program:
            return
        used = bundletree.place(disk, desired) if desired.bundle else ()
        program, *others = desired.program
        is_new = disk.digest(program.path) != digest_of(program)
        if is_new and desired.bundle:
            self._try_program(f"{disk.at(desired.tree)}/bin/{PLUGIN}")
        if desired.bundle and self._options["no-snapshot"]:
            disk.remove(f"{desired.tree}{bundletree.SNAPSHOT}")
        elif desired.bundle:
            note = bundletree.place_snapshot(disk, desired, self._environ)
            self.notes += [note] if note else []
        self._place(program)
        if is_new and not desired.bundle:
            self._try_program(disk.at(program.path))
        for item in others:
            self._place(item)
        if desired.bundle and is_new:
            bundletree.remove_all_but(disk, os.path.dirname(desired.tree), used)

    def configuration(self) -> None:
        """Place the configuration, if the plugin can work with it."""
        disk = self._disk
        for item in self._desired.configuration:
            if is_in(disk, item.path, item.data):
                self._keep(item)
                continue
            if not self._is_tried:
                self._try_status(disk.at(f"{self._options['cni-bin-dir']}/{PLUGIN}"))
            self._place(item)

    def _try_program(self, executable: str) -> None:
        note = trial.try_version(executable, self._environ)
        self.notes += [note] if note else []
        if self._desired.configuration:
            self._try_status(executable)

    def _try_status(self, executable: str) -> None:
        disk, options, conf = self._disk, self._options, self._desired.conf
        bin_dir, own = options["cni-bin-dir"], f"{options['cni-conf-dir']}/{FILES}/kubeconfig"
        kube = {"": own, "none": ""}.get(options["kubeconfig"], options["kubeconfig"])
        note = trial.try_status(executable, disk, conf, self._environ, kubeconfig=kube, bin_dir=bin_dir)
        self.notes += [note] if note else []
        self._is_tried = True

    def _place(self, item: Item) -> None:
        """Place an item, unless it is there already. What was there before is kept."""
        self._keep(item)
        if self._disk.digest(item.path) != digest_of(item):
            self._disk.place(item)
            self.placed.append(item.path)

    def _keep(self, item: Item) -> None:
        disk, existed_before = self._disk, self._state["files"][item.path]["before"]
        disk.remove(beside(item.path, TEMPORARY))
        if existed_before and not disk.has(beside(item.path, KEPT)) and disk.has(item.path):
            disk.keep(item.path)


def _drop_obsolete(disk: Disk, state: State, desired: Desired) -> None:
    """Restore the paths of an earlier install that this one does not use, of another directory or name."""
    paths = {item.path for item in desired.items}
    for path in [path for path in state["files"] if path not in paths]:
        disk.restore(path, existed_before=state["files"][path]["before"])
        del state["files"][path]
    top = os.path.dirname(desired.tree)
    for tree in [tree for tree in state["trees"] if tree != top]:
        disk.remove(tree)
        state["trees"].remove(tree)
    for path in [path for path in reversed(state["directories"]) if path not in desired.directories]:
        is_ours_still = any(other.startswith(f"{path}/") for other in paths)
        if not is_ours_still and disk.remove_if_empty(path):
            state["directories"].remove(path)


def _rename_default(disk: Disk, options: Mapping[str, str], state: State, desired: Desired) -> None:
    """With `--rename-conf-file`, rename the file of the default network; without, give it its name again."""
    network = desired.default_network
    is_to_rename = bool(options["rename-conf-file"]) and network is not None and not network.is_delegate
    for path, now in list(state["renamed"].items()):
        if not is_to_rename:
            restore_name(disk, path, now)
        if not is_to_rename or (network is not None and path != network.path):
            del state["renamed"][path]
    if not is_to_rename or network is None or network.path != network.file:
        return
    state["renamed"] = {network.path: f"{network.path}{RENAMED}"}
    installed.store(disk, options, state)
    disk.rename(network.path, f"{network.path}{RENAMED}")


# Locks


@contextlib.contextmanager
def _locked(disk: Disk, conf_dir: str, *, waits: bool = False) -> Iterator[None]:
    """Exclude other installers by a lock of the directory itself, which leaves no file."""
    try:
        fd = os.open(disk.at(conf_dir), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        advice = "give the directory that the container runtime reads as --cni-conf-dir"
        raise InstallError(f"{disk.at(conf_dir)}: {error.strerror}; {advice}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise InstallError(f"{conf_dir}: another install or uninstall is running") from error
    finally:
        os.close(fd)
