"""NetworkAttachmentDefinitions can be read, and are safe to attach.

Fields restricted: `metadata.name`, `spec.config`. Values allowed: JSON that libcni reads as a configuration or a list,
in one way only; plugin types that are file names and no delegating plugins; none at all (the node's own file), with a
warning. Operations: CREATE, UPDATE that changes `spec.config`. Exempt: nobody, and definitions being deleted.
Example refusal: `spec.config.plugins[1].type: a delegating plugin cannot be a delegate: "multus"`.
"""

from __future__ import annotations

from functools import lru_cache

from cniplugin.access.content import unsafe
from cniplugin.access.model import Rules
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecError, SpecErrors
from webhook.admission import messages
from webhook.admission.model import ALLOWED, Decision, Request

CACHED_CONFIG_MAX = 16_384
"""Characters of a configuration whose parsed form is kept; 256 of them are at most 4 MiB of text."""


def check(request: Request, rules: Rules) -> Decision:
    """Judge a definition that is written."""
    new, old = request.object, request.old_object
    if new is None or (old is not None and old.config == new.config):
        return ALLOWED
    problems: list[SpecError] = []
    warnings: list[str] = []
    name = request.object_name
    if not request.object_name.endswith("*") and not names.is_subdomain(name):
        problems.append(messages.object_name(name))
    elif "." in name:
        warnings.append(messages.dotted_name(name))
    _check_config(new.config, name, rules, problems, warnings)
    if problems:
        return messages.invalid(request, problems, warnings=warnings)
    return Decision(warnings=tuple(warnings))


def _parse(config: str, name: str) -> NetworkConfigList:
    return _parse_cached(config, name) if len(config) <= CACHED_CONFIG_MAX else cniconfig.parse(config, name=name)


@lru_cache(maxsize=256)
def _parse_cached(config: str, name: str) -> NetworkConfigList:
    """NB: one write is reviewed several times: by both webhooks, at dry runs, by `kubectl apply` over and over."""
    return cniconfig.parse(config, name=name)


def _check_config(config: object, name: str, rules: Rules, problems: list[SpecError], warnings: list[str]) -> None:
    if config is None or (isinstance(config, str) and not config.strip()):
        warnings.append(messages.on_disk(name))
        return
    if not isinstance(config, str):
        problems.append(messages.config_type(config))
        return
    try:
        parsed = _parse(config, name)
    except SpecErrors as errors:
        problems.extend(errors)
        return
    problems.extend(unsafe(parsed, meta_plugin_types=rules.config.meta_plugin_types))
    if parsed.written_name and parsed.written_name != name:
        warnings.append(messages.name_differs(parsed.written_name, name))
