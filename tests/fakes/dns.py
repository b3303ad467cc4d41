"""A name server in a network namespace: it knows the addresses of a few names, and no others (RFC 1035)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SERVER = r"""
import json, socket, sys
known = {name.encode(): bytes(map(int, address.split("."))) for name, address in json.loads(sys.argv[1]).items()}
served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
served.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    asked, client = served.recvfrom(512)
    labels, place = [], 12
    while asked[place]:
        labels.append(asked[place + 1 : place + 1 + asked[place]])
        place += 1 + asked[place]
    question, kind = asked[12 : place + 5], asked[place + 1 : place + 3]
    address = known.get(b".".join(labels))
    # A name that is known has one A record; for another kind the answer is empty. RFC 1035 section 4.1.1.
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + address if address and kind == b"\0\1" else b""
    flags = b"\x81\x80" if address else b"\x81\x83"
    served.sendto(asked[:2] + flags + b"\0\1\0" + bytes([bool(answer)]) + b"\0\0\0\0" + question + answer, client)
"""


@contextmanager
def serving_dns(namespace: str, addresses: Mapping[str, str]) -> Iterator[None]:
    """Answer on 127.0.0.1:53 of a network namespace that `ip netns` has made."""
    subprocess.run(["ip", "-n", namespace, "link", "set", "lo", "up"], check=True)
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", SERVER, json.dumps(addresses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == "ready\n"
            yield
        finally:
            server.kill()
