"""The keywords of JSON Schema draft-07 that every schema of this room needs."""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The name of the draft, as schemas give it. Nothing is fetched from there."""

MESSAGE = "patternErrorMessage"
"""The keyword of editors for the message about a pattern; draft-07 has none, and a pattern says nothing to people."""

IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
ADDRESS = rf"(?:{IPV4}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)"
"""Every IP address, and some texts that are none: the forms of IPv6 would be longer than the rest of a schema."""
LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(?:\.{LABEL})*"
"""As `netspec.names` has them, without the limits of their length."""
INTERFACE = r"(?!\.{1,2}$)[^/: \t\r\n]"
"""One character of the name of an interface, and at the beginning the names that are directories."""


def document(title: str, description: str, schema: Schema) -> Schema:
    """Return the schema of a whole file."""
    return {"$schema": DRAFT, "title": title, "description": description, **schema}


def whole(pattern: str, allowed: str) -> Schema:
    """Return the keywords of a text that has a form as a whole, or is empty; editors show what is allowed."""
    return {"pattern": f"^(?:{pattern})?$", MESSAGE: f"allowed: {allowed}"}


def escaped(text: str) -> str:
    """Return the pattern of a text. NB: `re.escape` also escapes "-", which ECMA 262 refuses in Unicode mode."""
    return re.sub(r"([.^$*+?()\[\]{}|\\/])", r"\\\1", text)


def any_case(text: str) -> str:
    """Return the pattern of a text in any letter case. NB: neither draft-07 nor ECMA 262 has a flag for that."""
    return "".join(
        f"[{letter.upper()}{letter.lower()}]" if letter.isalpha() and letter.isascii() else escaped(letter)
        for letter in text
    )


def or_null(schema: Schema) -> Schema:
    """Return a schema that also takes null, which Go reads as an absent key."""
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        made = {**schema, "type": [*types, "null"]}
        return {**made, "enum": [*schema["enum"], None]} if "enum" in schema else made
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else {}


def suggesting(choices: list[Any], otherwise: Schema) -> Schema:
    """Return a schema whose values an editor suggests, and that takes other values as well."""
    return {"anyOf": [{"enum": choices}, otherwise]}


def requiring(name: str) -> Schema:
    """Return the schema of objects that have a key, in any letter case, as Go's readers find it."""
    otherwise = {"propertyNames": {"not": {"pattern": f"^(?!{escaped(name)}$){any_case(name)}$"}}}
    return {"if": otherwise, "then": {"required": [name]}}
