"""Whose process is at the other end of a connection."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from webhook.commands.ui import peer

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
MAPPED = "0000000000000000FFFF00000100007F"


def line(uid: int, *, ports: tuple[int, int] = (40000, 8100), address: str = "0100007F", state: str = "01") -> str:
    ends = " ".join(f"{address}:{port:04X}" for port in ports)
    return f"   0: {ends} {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 1627780 1 000000002a810ea2 20 4 0\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (line(1000), True),
        (line(0), True),
        (line(1001), False),
        (line(1000) + line(1001, address="0200007F"), False),
        (line(1001, ports=(8100, 40000)) + line(1000), True),
        (line(1001, ports=(40001, 8100)) + line(1000), True),
        (line(1000, state="06"), False),
        ("", False),
    ],
    ids=["own", "root", "other", "same port", "our end", "other connection", "closed", "none"],
)
def test_whose_it_is(tmp_path: Path, lines: str, *, expected: bool) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEAD + lines)
    assert peer.is_own(40000, server_port=8100, tables=[table], uid=1000) is expected


def test_a_socket_of_ipv6_is_not_overlooked(tmp_path: Path) -> None:
    tables = [tmp_path / "tcp", tmp_path / "tcp6"]
    tables[0].write_text(HEAD)
    tables[1].write_text(HEAD + line(1001, address=MAPPED))
    assert not peer.is_own(40000, server_port=8100, tables=tables, uid=1000)


def test_a_machine_without_tables(tmp_path: Path) -> None:
    assert peer.is_own(40000, server_port=8100, tables=[tmp_path / "none"], uid=1000)


@pytest.mark.skipif(not peer.TABLES[0].exists(), reason="a kernel without /proc/self/net/tcp")
def test_a_real_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            own = client.getsockname()[1]
            assert peer.is_own(own, server_port=port)
            if os.getuid() != peer.ROOT:
                assert not peer.is_own(own, server_port=port, uid=os.getuid() + 1)
        assert not peer.is_own(own, server_port=port)
