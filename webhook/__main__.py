"""`python -m webhook` and the console scripts: `nadmit`, and the same as a plugin of kubectl."""

from __future__ import annotations

import errno
import os
import sys

from .cli import nadmit

COMPLETE_VARIABLE = "_NADMIT_COMPLETE"
"""As click names it after `nadmit`; shells set it to ask for completions."""
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main() -> None:
    """Run the command line and exit."""
    _run("nadmit")


def kubectl_main() -> None:
    """Run the command line as `kubectl nadmit`: kubectl starts `kubectl-nadmit`, which is on PATH."""
    _run("kubectl nadmit")


def kubectl_complete() -> None:
    """Complete a command line of `kubectl nadmit`: kubectl starts `kubectl_complete-nadmit` with its words."""
    from .commands.kubectlcompletion import complete  # noqa: PLC0415 - only shells need it

    complete(nadmit, sys.argv[1:])


def _run(program: str) -> None:
    try:
        nadmit(prog_name=program, complete_var=COMPLETE_VARIABLE)
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _fail_unwritable(error)


def _fail_unwritable(error: OSError) -> None:
    """Exit with 2: the printed text is not a whole answer, and 1 would mean that an object is refused.

    NB: Python would write the buffer of standard output once more at exit, and fail again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    said = (error.strerror or str(error)).lower()
    sys.stderr.write(f"nadmit: standard output cannot be written: {said}; make room, or write elsewhere\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
