"""Tries a share of the runs on a node of its own: `python -m tests.agreement.worker SHARE SHARES PATTERN MULTUS`.

`run` starts it with a network and mounts of its own, so that it changes nothing of the machine. Each line of its output is
the result of one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from .runs import runs
from .trying import NO_DETECTION, Api, Node

OWN = ("unshare", "--net", "--mount", "--propagation", "private")
_SETUP = (
    ["ip", "link", "set", "lo", "up"],
    ["mount", "-t", "tmpfs", "tmpfs", "/run"],
    ["mount", "-t", "tmpfs", "tmpfs", "/var/lib"],
    ["sh", "-c", NO_DETECTION],
)


def main(share: int, shares: int, pattern: str, multus: str) -> None:
    """Try every run of a share."""
    for words in _SETUP:
        subprocess.run(words, check=True)
    with tempfile.TemporaryDirectory() as directory, Api() as api:
        node = Node(Path(directory), api, multus)
        for run in runs(pattern, has_multus=bool(multus))[share::shares]:
            found = node.attach(run.case, attacher=run.attacher, posture=run.posture)
            print(json.dumps([run.id, asdict(found)]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
