"""The data of the Secret of the certificates: bytes by key to a checked value, and back (pure).

| key | content | in phases |
| --- | --- | --- |
| `tls.crt`, `tls.key` | the leaf that all replicas serve; if both are empty, a new one is due | all |
| `ca.crt` | all authorities that callers must trust now, as in a `caBundle`; derived from the others | all |
| `authority.crt`, `authority.key` | the authority that signs | all |
| `next.crt`, `next.key` | the next authority | Published, Shown |
| `old.crt` | the previous authority; its key is deleted | Switched |
| `retired.crt` | earlier authorities, the newest last; they are removed from every `caBundle` | if any |
| `rotation.json` | `{"phase": ..., "since": ...}`, RFC 3339 | all |
| `path-tokens.json` | see `pathtokens` | all |

`tls.crt`, `tls.key` and `ca.crt` are as in a Secret of type `kubernetes.io/tls` by cert-manager, so tools that inject
`ca.crt` of such a Secret can inject this one. A Secret in which all keys are missing or empty will be filled. Any other
data that does not fit together is a StateError: this program never overwrites a key on a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from cryptography import x509

from . import authority
from .authority import MaterialError, Pair

_T = TypeVar("_T")

_ROTATION = "rotation.json"
_AUTHORITY = "authority.crt"
KEYS = (
    "tls.crt", "tls.key", "ca.crt", _AUTHORITY, "authority.key", "next.crt", "next.key", "old.crt", "retired.crt",
    _ROTATION,
)  # fmt: skip


class Phase(StrEnum):
    """The phases of a rotation of the authority; `rotation` has the steps between them."""

    STABLE = "Stable"
    PUBLISHED = "Published"
    SHOWN = "Shown"
    SWITCHED = "Switched"


_WITH_NEXT = frozenset({Phase.PUBLISHED, Phase.SHOWN})


class StateError(ValueError):
    """The Secret is damaged, or another program keeps it. The text says which key, what is wrong and what to do."""

    advice = "restore the Secret, or empty its data to start anew with a new authority"

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}; nothing was overwritten; {self.advice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The data of a Secret that fits together.

    `since`: when the phase began. `leaf`: None if a new one is due. `stored_bundle`: the stored `ca.crt`, which should
    equal `bundle`. `retired`: the newest last.
    """

    phase: Phase
    since: datetime
    ca: Pair
    leaf: Pair | None
    next: Pair | None = None
    old: x509.Certificate | None = None
    retired: tuple[x509.Certificate, ...] = ()
    stored_bundle: bytes = b""

    @property
    def trusted(self) -> tuple[x509.Certificate, ...]:
        """The authorities that each `caBundle` must have now; at least one."""
        following = () if self.next is None else (self.next.certificate,)
        before = () if self.old is None else (self.old,)
        return (self.ca.certificate, *following, *before)

    @property
    def bundle(self) -> bytes:
        """`trusted` as PEM."""
        return b"".join(authority.render_certificate(certificate) for certificate in self.trusted)


def parse_state(data: Mapping[str, bytes]) -> State | None:
    """Return the state in the data of a Secret, None if it is empty. Unknown keys are ignored. Raises StateError."""
    filled = {key: data[key] for key in KEYS if data.get(key)}
    if not filled:
        return None
    if _AUTHORITY not in filled:
        problem = f"missing, but {', '.join(filled)} is there, as in a Secret that another program keeps"
        raise StateError(_AUTHORITY, problem)
    phase, since = _parse_rotation(filled)
    ca = _take_pair(filled, "authority")
    state = State(
        phase=phase,
        since=since,
        ca=ca,
        leaf=_take_pair(filled, "tls") if {"tls.crt", "tls.key"} & filled.keys() else None,
        next=_take_pair(filled, "next") if phase in _WITH_NEXT else None,
        old=_take(filled, "old.crt", authority.parse_certificate) if phase is Phase.SWITCHED else None,
        retired=tuple(_take(filled, "retired.crt", _parse_certificates)) if "retired.crt" in filled else (),
        stored_bundle=filled.get("ca.crt", b""),
    )
    if state.leaf is not None and not authority.is_issued_by(state.leaf.certificate, ca.certificate):
        raise StateError("tls.crt", f"is not issued by {_AUTHORITY}")
    return state


def render_state(state: State) -> dict[str, bytes]:
    """Return the data of the Secret. Keys that the phase does not use are empty."""
    data = dict.fromkeys(KEYS, b"")
    for name, pair in (("authority", state.ca), ("tls", state.leaf), ("next", state.next)):
        if pair is not None:
            data[f"{name}.crt"] = authority.render_certificate(pair.certificate)
            data[f"{name}.key"] = authority.render_key(pair.key)
    if state.old is not None:
        data["old.crt"] = authority.render_certificate(state.old)
    data["retired.crt"] = b"".join(authority.render_certificate(retired) for retired in state.retired)
    data["ca.crt"] = state.bundle
    data[_ROTATION] = json.dumps({"phase": state.phase, "since": state.since.isoformat()}).encode()
    return data


def _parse_rotation(filled: Mapping[str, bytes]) -> tuple[Phase, datetime]:
    return _take(filled, _ROTATION, _read_rotation)


def _read_rotation(text: bytes) -> tuple[Phase, datetime]:
    try:
        value = json.loads(text)
        since = datetime.fromisoformat(value["since"])
        phase = Phase(value["phase"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise MaterialError("not the JSON of a phase and a time") from error
    if since.tzinfo is None:
        raise MaterialError("a time without a zone")
    return phase, since


def _take_pair(filled: Mapping[str, bytes], name: str) -> Pair:
    certificate = _take(filled, f"{name}.crt", authority.parse_certificate)
    key = _take(filled, f"{name}.key", authority.parse_key)
    if not authority.belongs_to(certificate, key):
        raise StateError(f"{name}.crt", f"is not for the key in {name}.key")
    return Pair(certificate, key)


def _take(filled: Mapping[str, bytes], key: str, parse: Callable[[bytes], _T]) -> _T:
    if key not in filled:
        raise StateError(key, "missing")
    try:
        return parse(filled[key])
    except MaterialError as error:
        raise StateError(key, str(error)) from error


def _parse_certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except authority.UNREADABLE_CERTIFICATE as error:
        raise MaterialError("not PEM certificates") from error
