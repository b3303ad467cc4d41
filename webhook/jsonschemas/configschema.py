"""The schema of a NadmitConfiguration, from the classes that read it (`webhook.configuration.sections`).

What validators of these classes check, such as the form of a label's key, is left to `nadmit check --config`.
"""

from __future__ import annotations

from webhook.configuration.sections import NadmitConfiguration

from .draft7 import Schema, document

_PYDANTIC_REFERENCE = "#/$defs/"


def config_schema() -> Schema:
    """Return the schema of the file that --config names, or of `config.yaml` in the ConfigMap."""
    made: Schema = NadmitConfiguration.model_json_schema(by_alias=True)
    definitions = made.pop("$defs")
    unknown = definitions["PluginsSection"]["properties"]["unknownTypes"]
    unknown["enum"].append(False)  # in YAML 1.1, Off without quotes
    unknown.pop("type")
    made["definitions"] = definitions
    for name in ("title", "description"):
        made.pop(name, None)
    return document("NadmitConfiguration", "Settings of nadmit (docs/configuration.md).", _draft7(made))


def _draft7(value: Schema) -> Schema:
    """Return what pydantic writes for 2020-12 in the words of draft-07, without titles that repeat a name."""
    made: Schema = {}
    for name, inner in value.items():
        if name == "$ref":
            made[name] = inner.replace(_PYDANTIC_REFERENCE, "#/definitions/")
        elif name in ("properties", "definitions"):
            made[name] = {key: _draft7(schema) for key, schema in inner.items()}
        elif isinstance(inner, dict) and name != "default":
            made[name] = _draft7(inner)
        elif name == "anyOf":
            made[name] = [_draft7(schema) for schema in inner]
        elif name != "title" and not (name == "default" and inner is None):
            made[name] = inner
    return made
