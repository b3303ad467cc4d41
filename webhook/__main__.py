"""`python -m webhook` and the console script `nadmit`."""

from __future__ import annotations

import errno
import os
import sys

from .cli import nadmit

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main() -> None:
    """Run the command line and exit."""
    try:
        nadmit(prog_name="nadmit")
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _fail_unwritable(error)


def _fail_unwritable(error: OSError) -> None:
    """Exit with 2: what was printed is no answer, and 1 would say that something is refused.

    NB: what standard output still holds would be written once more at the end, and fail again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    said = (error.strerror or str(error)).lower()
    sys.stderr.write(f"nadmit: standard output cannot be written: {said}; make room, or write elsewhere\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
