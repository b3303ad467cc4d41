"""The programs of a test's node: delegates that tests can control, one for all versions of CNI, our plugin with a fault.

They are format strings with `{python}`, `{root}`, `{repo}` and the fields that each one documents.
"""

from __future__ import annotations

DELEGATE = """\
#!/bin/sh
here=${0%/*} type=${0##*/}
real={real}/$type
echo "$CNI_COMMAND $type $CNI_IFNAME" >> "$here/calls"
n=$(grep -c "^$CNI_COMMAND " "$here/calls")
for order in "$here/$CNI_COMMAND.$n" "$here/$CNI_COMMAND.$type"; do
    if [ -f "$order" ]; then . "$order"; break; fi
done
exec "$real"
"""

BOOK = """\
#!{python} -IS
import json, os, sys
conf, verb = json.load(sys.stdin), os.environ["CNI_COMMAND"]
directory = {root!r} + "/ipam/" + conf["name"]
lease = directory + "/10." + os.environ["CNI_CONTAINERID"] + "." + os.environ["CNI_IFNAME"]
with open({root!r} + "/requests", "a") as file:
    file.write(json.dumps([verb, os.environ["CNI_IFNAME"], conf]) + "\\n")
os.makedirs(directory, exist_ok=True)
if verb == "ADD":
    open(lease, "w").close()
    version = {{"version": "4"}} if conf["cniVersion"] < "1" else {{}}
    print(json.dumps({{"cniVersion": conf["cniVersion"], "ips": [{{"address": "10.91.0.2/24", **version}}]}}))
elif verb == "CHECK" and not os.path.exists(lease):
    print(json.dumps({{"cniVersion": conf["cniVersion"], "code": 140, "msg": "no lease"}}))
    sys.exit(1)
elif verb == "DEL" and os.path.exists(lease):
    os.unlink(lease)
elif verb == "GC":
    valid = {{"10." + a["containerID"] + "." + a["ifname"] for a in conf["cni.dev/valid-attachments"]}}
    for name in set(os.listdir(directory)) - valid:
        os.unlink(directory + "/" + name)
"""
"""Plugin `book` supports every version of CNI, unlike Debian's. It keeps a lease and records its requests."""

STUB = """\
#!{python} -IS
import sys
sys.path.insert(0, {repo!r})
{seam}
from cniplugin.__main__ import main
sys.exit(main())
"""

KILL_IN_STORE = """\
import os, signal
from cniplugin.records import journal

class Killing:
    def __init__(self):
        self.calls = []
    def __getattr__(self, name):
        function = getattr(os, name)
        def call(*args):
            self.calls.append(name)
            is_it = name == {name!r} and self.calls.count(name) == {times}
            if is_it and {when!r} == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args)
            finally:
                if is_it:
                    os.kill(os.getpid(), signal.SIGKILL)
        return call

journal.Store.__init__.__kwdefaults__["system"] = Killing()
"""

FAIL_IN_STORE = """\
import os
from cniplugin.records import journal

class Failing:
    calls = 0
    def __getattr__(self, name):
        function = getattr(os, name)
        def call(*args):
            if name in ("write", "fsync", "replace", *{also!r}) or name == "open" and args[1] & os.O_CREAT:
                Failing.calls += 1
                if Failing.calls >= {first}:
                    raise OSError({error}, os.strerror({error}))
            return function(*args)
        return call

journal.Store.__init__.__kwdefaults__["system"] = Failing()
"""
