"""The API server's refusals: a class for each HTTP status that callers handle in their own way, and one line of text.

Nothing here imports the client, so a command can catch `ClusterError` without paying for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from .resources import ObjectPath


class ClusterError(Exception):
    """The API server gave no usable answer. The text says where, what is wrong and what to do, in one line."""


class StatusError(ClusterError):
    """The API server refused. `status` is the HTTP status, `message` the API server's own words in one line."""

    def __init__(self, text: str, *, status: int, message: str) -> None:
        super().__init__(text)
        self.status = status
        self.message = message


class UnauthorizedError(StatusError):
    """401: the credentials must be loaded again."""


class ForbiddenError(StatusError):
    """403: the account may not do this; it may do other things."""


class NotFoundError(StatusError):
    """404: there is no such object, or the API server does not serve the resource yet."""


class ConflictError(StatusError):
    """409, or 422 for a `test` of a JSON patch: another writer was first. Read the object again."""


class GoneError(StatusError):
    """410: the requested history is compacted. List the objects again."""


class InvalidError(StatusError):
    """400, 413 or 422: the API server will never accept this object."""


_CLASSES: Mapping[int, type[StatusError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    422: InvalidError,
}

_NOT_SERVED = "{what}: not served by {server}; install its CustomResourceDefinition"
_INVALID = "{what}: {verb} failed with {status}: {message}; {advice}"
_OTHER = "{what}: {verb} failed with {status}: {message}; see the log of the API server at {server}"
_TEXTS: Mapping[int, str] = {
    400: _INVALID,
    401: "{server}: the credentials are refused: {message}; renew the token or the certificate of this account",
    403: "{what}: {verb} is forbidden: {message}; grant {rights} to this account in a {role}{otherwise}",
    404: "{what}: {verb} failed with 404: {message}",
    409: "{what}: {verb} failed, another writer was first: {message}",
    410: "{what}: {verb}: the history is compacted: {message}",
    413: _INVALID,
    422: _INVALID,
}

MESSAGE_MAX = 300
"""Characters of the API server's own words. A refusal of RBAC names user, verb and resource in about 200."""

_READS = ("list", "watch")


def error_of_status(status: int, message: str, *, verb: str, path: ObjectPath, server: str) -> StatusError:
    """Return the error of an HTTP status, or of the `code` of a Status that came as a watch event.

    `verb` is that of RBAC.
    """
    resource = path.resource
    granted = "list and watch" if verb in _READS else verb
    message = " ".join(message.split())[:MESSAGE_MAX] or "no reason given"
    template = _NOT_SERVED if status == 404 and verb in _READS else _TEXTS.get(status, _OTHER)
    text = template.format(
        what=path.described,
        status=status,
        message=message,
        verb=verb,
        server=server,
        rights=f"{granted} on {path.title}{' of this name' if resource.is_single and path.name else ''}",
        role="Role" if path.namespace and resource.is_single else "ClusterRole",
        otherwise=f", or {resource.otherwise}" if resource.otherwise else "",
        advice=resource.advice or f"see the log of the API server at {server}",
    )
    return _CLASSES.get(status, StatusError)(text, status=status, message=message)
