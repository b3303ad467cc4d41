"""Texts about definitions of networks, and about networks that do not exist or cannot be read in time."""

from __future__ import annotations

from typing import NamedTuple

from cniplugin.netspec.errors import SpecError, describe, show
from webhook.admission.model.requests import AdmissionWarning, Cause, Decision, Request
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.wording.answers import did_you_mean, field_of, join_path, refuse_for_now, who


def config_type(value: object) -> SpecError:
    """`spec.config` is not a string: the commonest slip of a YAML author."""
    return SpecError(
        rule="cni-config-type",
        value=value,
        detail="spec.config is not a string",
        allowed="a string that holds JSON",
        fix="write it as a block: config: |",
        section="NPWG v1.3 §3.2",
    )


def on_disk(name: str) -> AdmissionWarning:
    """Warn of an empty `spec.config`, with which each node runs a file of its own (side door 4)."""
    text = f'spec.config is empty: each node will use its own CNI configuration named "{name}"'
    return AdmissionWarning("", text, rule="config-on-disk")


def capital_config(name: str) -> AdmissionWarning:
    """Warn of `spec.Config`: the API server drops it as an unknown field, or refuses it if the client asks for that."""
    return AdmissionWarning(
        "spec.Config",
        "the API server drops this field, so spec.config is empty, and each node will use its own CNI configuration "
        f'named "{name}"; write "config"',
        rule="config-field",
    )


def blank_config(attacher: str) -> SpecError:
    """`spec.config` is white space alone, which one who attaches takes for JSON."""
    return SpecError(
        rule="json-syntax",
        detail=f"the configuration is white space alone, which {attacher} cannot read",
        fix="remove spec.config for a file of the node, or write the configuration",
        section="NPWG v1.3 §3.4.1",
    )


def name_differs(written: str, name: str) -> AdmissionWarning:
    """Warn of a configuration whose name is not the object's: NPWG v1.3 §3.4.3 strongly recommends equal names."""
    text = f'name {show(written)} differs from the object\'s name "{name}"'
    return AdmissionWarning("spec.config", text, rule="config-name")


def dotted_name(name: str) -> AdmissionWarning:
    """Warn of a name that only the JSON form of the annotation can hold."""
    text = f'"{name}" has a dot: pods can only select it in the JSON form'
    return AdmissionWarning("metadata.name", text, rule="dotted-name")


def plugin_warning(finding: PluginFinding, *, field: str = "spec.config") -> AdmissionWarning:
    """Warn of something that a plugin accepts, though few authors mean it; `field` has the configuration."""
    error = finding.as_spec_error()
    return AdmissionWarning(join_path(field, error.path), describe(error), finding.code)


class Hint(NamedTuple):
    """Where a missing network may be instead.

    `near`: a similar name in the same namespace. `elsewhere`: networks of the same name, as `namespace/name`.
    """

    near: str = ""
    elsewhere: tuple[str, ...] = ()


NO_HINT = Hint()


def missing_fix(hint: Hint) -> str:
    """Return what to do about a missing network."""
    if hint.elsewhere:
        return f"it exists as {', '.join(hint.elsewhere)}: write that"
    return did_you_mean(hint.near) if hint.near else "create it first"


def not_yet(request: Request, error: SpecError, hint: Hint = NO_HINT) -> AdmissionWarning:
    """Warn that a template names a missing network. The pods of the template are judged when they are created."""
    fix = "" if hint == NO_HINT else f"; {missing_fix(hint)}"
    end = " " if hint.near and not hint.elsewhere else "; "
    text = f"{error.detail}{fix}{end}pods will be refused until it exists"
    return AdmissionWarning(field_of(request, error), text, error.rule)


def networks_unread(request: Request) -> Decision:
    """Refuse an object because the definitions that it names could not be read in time."""
    reason = "its networks have large configurations, which could not be read in time"
    return refuse_for_now(
        f"network access denied for now: {who(request)}: {reason}; try again, or name fewer networks",
        Cause(field="metadata.annotations", message=reason, reason="NetworksUnread", rule="networks-unread"),
        by="built-in limit of time",
    )
