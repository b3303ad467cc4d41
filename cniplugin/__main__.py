"""The process: the plugin when a runtime sets CNI_COMMAND, else the commands of `install`.

A program that is started under the name `passthru` is that plugin of Multus.
"""

from __future__ import annotations

import os
import sys

SIGCHLD = 17


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn, TextIO

    from .protocol.skel import Command


def process() -> NoReturn:
    """Run `main` and exit without shutting down the interpreter, which would cost 2 ms.

    Garbage collection is off, because a process that lives 30 ms has no garbage to collect.
    """
    import gc  # noqa: PLC0415

    gc.disable()
    code = main()
    is_written = _flush(sys.stdout)
    _flush(sys.stderr)  # a log that cannot be written fails nothing
    os._exit(code if is_written else code or 1)


def _flush(stream: TextIO | None) -> bool:
    """Write what is left of a stream, if it was open at the start; say whether that succeeded."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        return False
    return True


def _read_stdin() -> bytes:
    """Return all of stdin. Raises OSError, also if the caller has closed it."""
    if sys.stdin is None:
        raise OSError("it is closed")
    return sys.stdin.buffer.read()


def main() -> int:
    """Serve one call of a runtime, or one command line."""
    if sys.argv[0].endswith("passthru"):
        from .protocol import passthru, skel  # noqa: PLC0415  # few nodes have a chain

        if passthru.is_called(sys.argv[0]):
            return passthru.run(os.environ, _read_stdin, skel.claim_stdout())
    if len(sys.argv) > 1 and not os.environ.get("CNI_COMMAND"):
        from .install.installer import main as install  # noqa: PLC0415  # not for a plugin process

        return install(sys.argv[1:])
    from .protocol.skel import claim_stdout, run  # noqa: PLC0415

    _reset_sigchld()
    return run(os.environ, _read_stdin, claim_stdout(), _load_commands)


def _load_commands() -> Mapping[str, Command]:
    """Import the verbs. VERSION does without them."""
    from .commands import COMMANDS  # noqa: PLC0415

    return COMMANDS


def load_verbs() -> None:
    """Import all that a verb imports when it needs it. The frozen program calls this before it writes its snapshot."""
    import _signal  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    import gc  # noqa: F401, PLC0415

    from .protocol import skel  # noqa: F401, PLC0415

    _load_commands()
    from .attach import execution, permission, podnetworks, reporting, withoutapi  # noqa: F401, PLC0415
    from .cluster import accessrules, kubeapi, kubeconfig, objects, transport  # noqa: F401, PLC0415
    from .netspec import annotation  # noqa: F401, PLC0415


def _reset_sigchld() -> None:
    """Reset SIGCHLD. If a runtime lets us inherit it as ignored, the exit status of delegates is lost.

    NB: `signal` loads `enum`, 4 ms; this is its C module.
    """
    import _signal  # noqa: PLC0415

    _signal.signal(SIGCHLD, _signal.SIG_DFL)


if __name__ == "__main__":
    process()
