"""A CNI plugin that a file scripts, and that records its input.

`<directory>/<type>` is the program. For each verb, `<directory>/<type>.<CNI_COMMAND>.json` lists its actions, in this
order; each key may be absent:

    read       read stdin (true unless false)
    spread     start a child that holds the pipes and sleeps this many seconds
    stdout     print this; {"repeat": text, "times": n} for much
    stderr     as stdout
    close      close stdin, stdout and stderr
    hang       sleep this many seconds; "ignore" SIGTERM first
    kill       end by this signal
    exit       end with this code
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """\
#!{python} -IS
import json, os, signal, sys, time
kind, verb = sys.argv[0], os.environ.get("CNI_COMMAND", "")
try:
    with open(f"{{kind}}.{{verb}}.json") as file:
        told = json.load(file)
except FileNotFoundError:
    told = {{}}
text = sys.stdin.read() if told.get("read", True) else ""
call = {{"type": os.path.basename(kind), "command": verb, "stdin": text, "environ": dict(os.environ),
        "pgid": os.getpgid(0), "pid": os.getpid(),
        "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))}}
with open(os.path.join(os.path.dirname(kind), "calls"), "a") as file:
    file.write(json.dumps(call) + "\\n")
if told.get("spread"):
    if os.fork() == 0:
        with open(f"{{kind}}.child", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(told["spread"])
        os._exit(0)
for number, name in ((1, "stdout"), (2, "stderr")):
    said = told.get(name, "")
    if isinstance(said, dict):
        said = said["repeat"] * said["times"]
    data = said.encode("utf-8", "surrogateescape")
    while data:
        data = data[os.write(number, data):]
if told.get("close"):
    for number in (0, 1, 2):
        os.close(number)
if told.get("hang"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(told["hang"])
if told.get("kill"):
    os.kill(os.getpid(), told["kill"])
os._exit(told.get("exit", 0))
"""


class Plugins:
    """A directory of scripted plugins."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, *kinds: str) -> None:
        for kind in kinds:
            program = self.directory / kind
            program.write_text(_PROGRAM.format(python=sys.executable))
            program.chmod(0o755)

    def tell(self, kind: str, command: str, **behaviour: Any) -> None:
        """Install the plugin if it is missing, and script one verb."""
        if not (self.directory / kind).exists():
            self.install(kind)
        (self.directory / f"{kind}.{command}.json").write_text(json.dumps(behaviour))

    def calls(self) -> list[dict[str, Any]]:
        """Return the inputs of the plugins, in order; `request` is the JSON of stdin."""
        log = self.directory / "calls"
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [{**call, "request": json.loads(call["stdin"]) if call["stdin"] else None} for call in calls]

    def requests(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return type, verb and request of every call."""
        return [(call["type"], call["command"], call["request"]) for call in self.calls()]
