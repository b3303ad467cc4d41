"""The modules of a plugin process: not even `json`, and neither `ssl` nor the planner unless a pod is attached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT as PROJECT

ROOT = str(PROJECT)
CODE = (
    f"import sys; sys.path.insert(0, {ROOT!r}); sys.argv = ['nadmit']; before = set(sys.modules)\n"
    "from cniplugin.__main__ import main\n"
    "code = main()\n"
    "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)\n"
)
OS = {"_collections_abc", "_stat", "genericpath", "os", "os.path", "posixpath", "stat"}
STANDARD = OS | {"__future__", "_json", "_signal", "binascii", "errno", "fcntl", "itertools", "select", "time"}
"""The whole standard library of a plugin process that attaches nothing."""
FORBIDDEN = {
    "json",
    "re",
    "enum",
    "functools",
    "collections",
    "dataclasses",
    "typing",
    "logging",
    "subprocess",
    "pathlib",
}


def loaded(command: str, conf: dict[str, object]) -> set[str]:
    environ = {"CNI_COMMAND": command, "CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0", "CNI_PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-IS", "-c", CODE],
        input=json.dumps(conf),
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stdout + done.stderr
    return set(names)


@pytest.mark.parametrize("command", ["VERSION", "DEL"])
def test_the_loaded_modules(tmp_path: Path, command: str) -> None:
    conf: dict[str, object] = {
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": "nadmit",
        "clusterNetwork": "default-net",
        "recordDir": str(tmp_path / "records"),
        "logFile": "",
        "cniDir": str(tmp_path / "multus"),
    }
    names = loaded(command, conf)
    others = {name for name in names if not name.startswith("cniplugin")}
    assert not others & FORBIDDEN
    assert others - STANDARD == set()
    assert (
        not {
            "cniplugin.cluster.kubeapi",
            "cniplugin.cluster.objects",
            "cniplugin.attach.podnetworks",
            "cniplugin.host.netlink",
        }
        & names
    )
    assert not {"cniplugin.attach.devices"} & names
    assert not {name for name in names if name.startswith("cniplugin.access")}
    assert ("cniplugin.commands" in names) is (command != "VERSION")
    assert (
        not {
            "cniplugin.cluster.accessrules",
            "cniplugin.attach.permission",
        }
        & names
    )
