"""What the API server's refusals mean: one class per thing to do about it, and one clear line for each.

Nothing here imports the client, so that a command may catch `ClusterError` without paying for it.
"""

from __future__ import annotations

from collections.abc import Mapping


class ClusterError(Exception):
    """The cluster cannot be asked; the text says where, what is wrong and what to do, in one line."""


class UnauthorizedError(ClusterError):
    """401: the credentials are refused; they are to be loaded again."""


class AbsentError(ClusterError):
    """404: the resource is not served; its CustomResourceDefinition may come later."""


class GoneError(ClusterError):
    """410: the history that was asked for is compacted; the objects are to be listed again."""


_CLASSES: Mapping[int, type[ClusterError]] = {401: UnauthorizedError, 404: AbsentError, 410: GoneError}

_TEXTS: Mapping[int, str] = {
    401: "{where}: the credentials are refused: {said}; renew the token or the certificate of this account",
    403: "{resource}: {verb} is forbidden: {said}; "
    "grant {rights} on {resource} to this account in a ClusterRole{otherwise}",
    404: "{resource}: not served by {where}; install its CustomResourceDefinition",
    410: "{resource}: {verb}: the history is compacted: {said}",
}
_OTHER = "{resource}: {verb} failed with {status}: {said}; see the log of the API server at {where}"

SAID_MAX = 300
"""Characters of the API server's own words; a refusal of RBAC names user, verb and resource in about 200."""


def of_status(status: int, said: str, *, verb: str, resource: str, where: str, otherwise: str = "") -> ClusterError:
    """Return the error of an HTTP status, or of the `code` of a Status that came as an event.

    `otherwise`: what to do instead of granting a right that is missing, as it stands after "or".
    """
    text = _TEXTS.get(status, _OTHER).format(
        status=status,
        said=" ".join(said.split())[:SAID_MAX] or "no reason given",
        verb=verb,
        resource=resource,
        where=where,
        rights="get" if verb == "get" else "list and watch",
        otherwise=f", or {otherwise}" if otherwise else "",
    )
    return _CLASSES.get(status, ClusterError)(text)
