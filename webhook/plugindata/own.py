"""Schemas that admins write for plugins of their own, from plain JSON to values or to every mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from webhook.admission.plugins.schema import PluginSchema
from webhook.plugindata.fileformat import PluginFile, plugin_schema
from webhook.plugindata.form import Mistake, mistakes
from webhook.plugindata.loader import load_shapes
from webhook.plugindata.references import missing


class OwnSchemas(NamedTuple):
    """What was read: the schemas by type, other names included, and what is wrong, in input order.

    The first step of a mistake is the index of the schema.
    """

    by_type: Mapping[str, PluginSchema]
    mistakes: Sequence[Mistake]


def read_own(written: Sequence[object]) -> OwnSchemas:
    """Read schemas. Where there are mistakes, those that are right are returned all the same."""
    shapes = load_shapes()
    by_type: dict[str, PluginSchema] = {}
    wrong: list[Mistake] = []
    for index, value in enumerate(written):
        found = list(mistakes(value, PluginFile))
        if not found:
            read = msgspec.convert(value, PluginFile)
            found = list(missing(read, shapes)) or _repeated(read, by_type)
            if not found:
                schema = plugin_schema(read, shapes)
                by_type |= dict.fromkeys((schema.type, *schema.also), schema)
        wrong += [Mistake((index, *mistake.steps), mistake.said) for mistake in found]
    return OwnSchemas(by_type, wrong)


def _repeated(read: PluginFile, known: Mapping[str, PluginSchema]) -> list[Mistake]:
    names = [read.type, *read.also]
    return [
        Mistake(("also", index - 1) if index else ("type",), f"the type has a schema already: {name}; keep one of them")
        for index, name in enumerate(names)
        if name in known or name in names[:index]
    ]
