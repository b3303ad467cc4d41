"""Which requests the page's server answers: those of one browser on this machine, and only those that read.

    path = "/" token "/" file | "/open/" once

| a request            | is refused because                                                                     |
| -------------------- | -------------------------------------------------------------------------------------- |
| of another Host      | a name of another site may lead to this address (DNS rebinding): 403                   |
| of another Origin    | another site's page sends it: 403                                                      |
| other than GET, HEAD | nothing here changes anything: 405                                                     |
| without the token    | another program or user of this machine sends it: 404                                  |

The token is in the path, because a cookie would go to every other port of this machine. The command that opens the
browser has another one, because other users of the machine can read command lines: it is good once, and only for a
process of the same user (`peer`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from types import MappingProxyType

TOKEN_BYTES = 32

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": "no-store",
    }
)
"""Of each response. There is no header that lets another origin read one."""

_SAME_SITE = frozenset({"same-origin", "none", ""})


@dataclass(slots=True)
class Guard:
    """The server's port, its token, and the token of the first visit, which is "" after it."""

    port: int
    token: str = field(default_factory=lambda: token_urlsafe(TOKEN_BYTES))
    once: str = field(default_factory=lambda: token_urlsafe(TOKEN_BYTES))

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    @property
    def first_url(self) -> str:
        """An address that leads to the page once."""
        return f"http://127.0.0.1:{self.port}/open/{self.once}"

    def refuse(self, method: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return the status and the text of a refusal, None for a request whose path may be looked at.

        `headers`: by lower-case name, "" for one that is not there.
        """
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if host not in hosts:
            return 403, f"Host {host!r} is not this server; allowed: {', '.join(sorted(hosts))}"
        if origin and origin not in {f"http://{name}" for name in hosts}:
            return 403, f"Origin {origin!r} may not read this page"
        if headers.get("sec-fetch-site", "") not in _SAME_SITE and headers.get("sec-fetch-mode") != "navigate":
            return 403, "another site may not read this page"
        if method not in {"GET", "HEAD"}:
            return 405, f"{method} is not allowed: this page reads, and changes nothing; allowed: GET, HEAD"
        return None

    def inner_path(self, path: str) -> str | None:
        """Return the path below the token, None for a path without the token."""
        head, slash, rest = path.removeprefix("/").partition("/")
        return rest if slash and _is_equal(head, self.token) else None

    def is_first_visit(self, path: str) -> bool:
        """Say whether a path is that of the first visit."""
        word = path.removeprefix("/open/")
        return word != path and bool(self.once) and _is_equal(word, self.once)

    def take_once(self, path: str) -> bool:
        """Say whether a path is that of the first visit; the next time it is not."""
        is_first = self.is_first_visit(path)
        if is_first:
            self.once = ""
        return is_first


def _is_equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
