"""The pods that a container runtime knows: ListPodSandbox of the CRI (kubernetes cri-api, runtime.v1).

    ListPodSandboxRequest  = {}                          ; without a filter: sandboxes in all states
    ListPodSandboxResponse = { repeated PodSandbox items = 1 }
    PodSandbox             = { string id = 1, ... }      ; the ID is CNI_CONTAINERID

A sandbox in any state counts as known, because the runtime still calls DEL for it. Messages are read as protobuf's
wire format; unknown fields are skipped, as protobuf demands.
"""

from __future__ import annotations

from cniplugin.cnierrors import DECODE_FAILURE, IO_FAILURE, CniError

from .grpc import GrpcError, call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

METHOD = "/runtime.v1.RuntimeService/ListPodSandbox"
_ITEMS = _ID = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def list_sandboxes(path: str, *, deadline: float) -> frozenset[str]:
    """Return the IDs of all sandboxes that the runtime at the socket `path` knows; the path may be a URL, `unix:///...`.

    `deadline` is of `time.monotonic`. Raises CniError 5 or 6: then nothing is known, which is not the same as none.
    """
    try:
        answer = call(path.removeprefix("unix://"), METHOD, b"", deadline=deadline)
        return frozenset(_id_of(item) for item in _submessages(answer, _ITEMS))
    except GrpcError as error:
        raise CniError(IO_FAILURE, f"CRI socket {path}: ListPodSandbox failed: {error}") from error
    except OSError as error:
        raise CniError(IO_FAILURE, f"CRI socket {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CniError(DECODE_FAILURE, f"CRI socket {path}: the answer to ListPodSandbox: {error}") from error


def _id_of(sandbox: bytes) -> str:
    """Return the ID of a sandbox; the last one counts (protobuf, "Last One Wins")."""
    *_, container_id = (b"", *_submessages(sandbox, _ID))
    if not container_id:
        raise ValueError("a sandbox has no ID")
    return container_id.decode()


def _submessages(data: bytes, number: int) -> Iterator[bytes]:
    """Yield each value of a field of strings or messages. Raises ValueError for malformed data."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(data, at)
            continue
        size, at = _varint(data, at) if kind == _BYTES else (_FIXED.get(kind), at)
        if size is None or at + size > len(data):
            raise ValueError("it is not a message of protobuf")
        if tag >> 3 == number and kind == _BYTES:
            yield data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of at most 64 bits, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is not a message of protobuf")
