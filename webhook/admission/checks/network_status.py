"""The network status of a pod is what its node wrote.

Fields restricted: NETWORK_STATUS_KEYS of a pod's annotations. Values allowed: on UPDATE what they were, on CREATE none.
Operations: CREATE, UPDATE of pods and their subresources. Exempt: see `statuswriters`. `networkStatusMode` says what
becomes of others: a refusal (403), a warning, a record in the audit log, nothing; the default is a warning, because
Multus starts no pod whose status it cannot write. On CREATE, Deny and Warn drop the annotation in /mutate first, so
this check sees one only where /mutate did not run. Example refusal: "user bob may not change the network status of pod
blue/web-0".
"""

from __future__ import annotations

from cniplugin.access.model.decision import Config
from cniplugin.netspec.selection import NETWORK_STATUS, NETWORK_STATUS_KEYS, OLD_NETWORK_STATUS
from webhook.admission.model.requests import ALLOWED, NOTHING, Decision, Request
from webhook.admission.view.statuswriters import is_writer
from webhook.admission.wording import messages


def check(request: Request, config: Config) -> Decision:
    """Judge who writes the network status. A warning and a record are a decision that allows."""
    mode = config.network_status_mode
    keys = () if mode == "Off" else _written(request)
    if not keys or is_writer(request, config):
        return ALLOWED
    if mode == "Deny":
        return messages.status_refused(request, keys, config)
    warnings = (messages.status_remark(request, keys, config),) if mode == "Warn" else ()
    trial = messages.status_record(mode, request, keys)
    return Decision(warnings=warnings, rules=(messages.STATUS_RULE,), trials=(trial,))


def join(status: Decision, judged: Decision) -> Decision:
    """Return the decision about a pod's networks with what the check of its status adds; `status` allows."""
    if status is ALLOWED:
        return judged
    return judged._replace(
        warnings=(*status.warnings, *judged.warnings),
        rules=(*status.rules, *judged.rules) if judged.is_allowed else judged.rules,
        trials=(*status.trials, *judged.trials),
    )


def dropped(request: Request, config: Config) -> tuple[str, ...]:
    """Return the annotations that /mutate takes out of a new pod."""
    keys = _written(request) if config.network_status_mode in {"Warn", "Deny"} else ()
    return () if not keys or is_writer(request, config) else keys


def _written(request: Request) -> tuple[str, ...]:
    """Return which of the annotations the request brings, changes or takes away."""
    new = request.object.annotations if request.object else NOTHING
    old = request.old_object.annotations if request.old_object else NOTHING
    if NETWORK_STATUS not in new and OLD_NETWORK_STATUS not in new and not old:
        return ()  # nearly every new pod
    return tuple(key for key in NETWORK_STATUS_KEYS if new.get(key, "") != old.get(key, ""))
