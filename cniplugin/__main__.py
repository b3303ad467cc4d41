"""The plugin process: what a container runtime executes, with CNI_COMMAND in its environment."""

from __future__ import annotations

import os
import sys

from .commands import COMMANDS
from .skel import claim_stdout, run


def main() -> int:
    """Serve one call of a runtime."""
    return run(os.environ, sys.stdin.buffer.read, claim_stdout(), COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
