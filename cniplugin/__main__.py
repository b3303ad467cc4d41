"""The process: the plugin when a runtime sets CNI_COMMAND, else the commands of `install`."""

from __future__ import annotations

import os
import sys

SIGCHLD = 17


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def process() -> NoReturn:
    """Be the whole process: `main`, then its end without taking the interpreter apart, which costs 2 ms.

    Nor is there anything for the garbage collector to find in a process that lives 30 ms.
    """
    import gc  # noqa: PLC0415

    gc.disable()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> int:
    """Serve one call of a runtime, or one command line."""
    if len(sys.argv) > 1 and not os.environ.get("CNI_COMMAND"):
        from .install.installer import main as install  # noqa: PLC0415  # nothing for a plugin process

        return install(sys.argv[1:])
    from .commands import COMMANDS  # noqa: PLC0415
    from .protocol.skel import claim_stdout, run  # noqa: PLC0415

    _see_children_end()
    return run(os.environ, sys.stdin.buffer.read, claim_stdout(), COMMANDS)


def _see_children_end() -> None:
    """Undo an ignored SIGCHLD, which a runtime may leave us and which would lose the exit status of delegates.

    NB: `signal` itself brings `enum`, 4 ms; its C module is what it runs.
    """
    import _signal  # type: ignore[import-not-found]  # noqa: PLC0415

    _signal.signal(SIGCHLD, _signal.SIG_DFL)


if __name__ == "__main__":
    process()
