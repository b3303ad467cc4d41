"""Whether the API server reaches the webhook: two dry runs, which create nothing.

A policy of mode Audit with an Allow rule causes a warning (`grants-nothing`), in every stage and with every
configuration. The warning names the rule, so it can only come from this program. Beyond stage Observe a definition that
no policy can permit must be refused as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cniplugin.access.model.policyrules import GROUP, POLICY_KIND, VERSION
from webhook.kube.apierrors import ForbiddenError, NotFoundError, StatusError, UnauthorizedError
from webhook.kube.resources import ObjectPath, Resource
from webhook.registration.configurations import OBSERVE, is_ours, registered_stage, webhooks_of, without_tokens
from webhook.registration.registered import RegisteredWebhooks, unreached

from .asking import Asking
from .installation import Installation
from .registrations import registered
from .results import Result, error, ok, unknown

CHECK = "reachable"
NAME = "nadmit-doctor"
PLURAL = "networkattachmentpolicies"
POLICY: dict[str, Any] = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": POLICY_KIND,
    "metadata": {"name": NAME},
    "spec": {
        "description": "A dry run of nadmit doctor. It grants nothing and refuses nothing.",
        "mode": "Audit",
        "pods": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAME}}}],
        "attachments": [{"name": NAME, "action": "Allow", "networks": [{"names": [NAME], "namespaces": [NAME]}]}],
    },
}


def check(asking: Asking, installed: Installation) -> Iterator[Result]:
    """Have the API server call the webhook."""
    objects = registered(asking, installed)
    hooks = [hook for value in objects.values() for hook in webhooks_of(value) if is_ours(hook)]
    if not hooks:
        yield unknown(CHECK, "no webhook is registered, so the API server calls none; see the check registration")
        return
    fixes = (
        f"kubectl -n {installed.namespace} logs deployment/nadmit-webhook",
        "see the log of the API server: failed calling webhook; and that its network reaches port 8443 of the pods",
    )
    what = f"a dry run of creating {POLICY_KIND} {NAME}"
    try:
        warnings = asking.dry_run(ObjectPath(Resource(PLURAL, GROUP, VERSION, PLURAL)), POLICY)
    except UnauthorizedError:
        raise
    except ForbiddenError as forbidden:
        yield unknown(CHECK, f"{what} was forbidden: {forbidden.message}", "use an account that may create policies")
        return
    except NotFoundError:
        yield unknown(CHECK, f"{what} was not possible, see the check kinds")
        return
    except StatusError as refusal:
        said = without_tokens(refusal.message)  # the report may be shown to others
        yield error(CHECK, f"{what} was answered with {refusal.status}: {said}", *fixes)
        return
    if not any(NAME in text for text in warnings):
        yield error(CHECK, f"{what} did not come to the webhook: its warning is missing", *fixes)
    elif registered_stage(hooks) == OBSERVE:
        yield ok(CHECK, "the API server calls the webhook, and gets its answer")
    else:
        yield from _check_refusal(asking, installed)


def _check_refusal(asking: Asking, installed: Installation) -> Iterator[Result]:
    problems = unreached(RegisteredWebhooks(asking.connection, installed.configuration))
    for problem in problems:
        yield error(CHECK, problem, "nadmit webhooks status")
    if not problems:
        yield ok(CHECK, "the API server calls the webhook, and heeds its refusal")
