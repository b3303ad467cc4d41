"""One object of a configuration, read as the plugin's Go struct reads it (encoding/json).

Go reads keys in any letter case, takes null for absent, drops unknown keys, and accepts an integer literal that fits
its Go type. A key that Go cannot decode is NAD101 or NAD102, and has no other finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.foreignkeys import ForeignKeys
from webhook.admission.plugins.goparsing import ALLOWED, JSON_TYPES, fits, remark
from webhook.admission.plugins.schema import GO_INTEGERS, Key
from webhook.admission.plugins.spelling import near_miss, same_letters

Conf = Mapping[str, Any]

IPAM_ENVELOPE = frozenset({"type"})
"""Keys that every `ipam` object may have."""

UNKNOWN_KEYS_MAX = 60
"""Unknown keys of one configuration to compare with known keys: each costs 0.2 ms, and hostile texts have 100,000."""


class OutOfBudgetError(Exception):
    """The configuration has more values than the budget."""


class Budget:
    """How many more values of one configuration are read, and how many unknown keys are compared with known ones."""

    def __init__(self, values: int) -> None:
        self.values = values
        self.lookups = UNKNOWN_KEYS_MAX

    def spend(self, values: int) -> None:
        """Take some values from the budget. Raises OutOfBudgetError when it is used up."""
        self.values -= values
        if self.values < 0:
            raise OutOfBudgetError

    def spend_lookup(self) -> bool:
        """Take one look-up, and say whether there was one left."""
        self.lookups -= 1
        return self.lookups >= 0


class Decoded(dict[str, Any]):
    """The values that Go would see, by the plugin's spelling of the keys; nested objects are `Decoded` as well.

    `unreadable`: the keys that Go cannot decode; they have no value here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()

    def find(self, dotted: str) -> object:
        """Return the value at `ipam.type`; None when it is absent. Raises KeyError when Go cannot decode it."""
        if "." not in dotted and dotted not in self.unreadable:
            return self.get(dotted)
        value: object = self
        for name in dotted.split("."):
            if isinstance(value, Decoded) and name in value.unreadable:
                raise KeyError(dotted)
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


class Decoder:
    """Reads the object of one plugin.

    `plugin`: its type. `envelope`: keys at the top that other programs read. `misplaced`: keys that belong into `ipam`,
    each with the IPAM plugin that reads it. `foreign`: the keys of other plugins, None if nobody asks.
    """

    def __init__(
        self,
        plugin: str,
        envelope: frozenset[str],
        budget: Budget,
        *,
        misplaced: Mapping[str, str],
        foreign: ForeignKeys | None = None,
    ) -> None:
        self.plugin = plugin
        self.envelope = envelope
        self.budget = budget
        self.misplaced = misplaced
        self.foreign = foreign
        self.top: Decoded | None = None

    def decode(self, conf: Conf, keys: Mapping[str, Key], path: str, into: Decoded) -> Findings:
        """Read the plugin's object into `into`; yield its mistakes in input order.

        NB: `log_level` of sriov is meant for the plugin, which has `logLevel`, although IPAM plugins read `log_level`.
        """
        self.top = into
        own = {written: value for written, value in conf.items() if written in keys or written not in self.envelope}
        for written in self._find_misplaced(own, keys):
            del own[written]
            detail = f"IPAM {self.misplaced[written]} reads this key inside ipam, and nothing reads it here"
            where = join(path, written)
            yield PluginFinding(code="NAD109", path=where, detail=detail, fix='move it into "ipam"')
        yield from self._object(own, keys, path, into, also=self.envelope)

    def _find_misplaced(self, own: Conf, keys: Mapping[str, Key]) -> list[str]:
        unread = [written for written in own if written not in keys and written in self.misplaced]
        spelt = {same_letters(name) for name in keys} if unread else set()
        return [written for written in unread if same_letters(written) not in spelt]

    def _object(
        self, conf: Conf, keys: Mapping[str, Key], path: str, into: Decoded, *, also: frozenset[str] = frozenset()
    ) -> Findings:
        """Read one object. An unknown key is compared with `keys` and with `also`."""
        folded = None if keys.keys() >= conf.keys() else {name.casefold(): name for name in keys}
        for written, value in conf.items():
            name = written if folded is None or written in keys else folded.get(written.casefold())
            where = join(path, written)
            if name is None:
                yield from self._unknown(written, (*keys, *also), where, is_top=into is self.top)
            elif value is not None:
                if name != written:
                    yield self._other_case(where, name)
                yield from self._value(value, keys[name], where, into, name)
        yield from self._missing(keys, path, into)

    def _missing(self, keys: Mapping[str, Key], path: str, into: Decoded) -> Findings:
        for name, key in keys.items():
            if key.required and into.get(name) in (None, "") and name not in into.unreadable:
                detail = f'the plugin {self.plugin} needs "{name}"'
                yield PluginFinding(code="NAD103", path=path, detail=detail, fix="add it", refusal=key.required_refusal)

    def _unknown(self, written: str, known: Iterable[str], where: str, *, is_top: bool) -> Findings:
        if not self.budget.spend_lookup():
            return
        meant = near_miss(written, known)
        if meant is not None:
            detail = f"the plugin {self.plugin} does not read this key"
            yield PluginFinding(code="NAD104", path=where, detail=detail, fix=f'did you mean "{meant}"?')
        elif is_top and self.foreign is not None:
            yield from self.foreign.findings(self.plugin, written, where)

    def _other_case(self, where: str, name: str) -> PluginFinding:
        detail = f"the plugin {self.plugin} spells this key in another letter case"
        return PluginFinding(code="NAD105", path=where, detail=detail, fix=f'write "{name}"')

    def _value(self, value: object, key: Key, where: str, into: Decoded, name: str) -> Findings:
        """Read one value that is not null, and store it in `into` unless Go cannot decode it."""
        self.budget.spend(1)
        wrong = self._wrong_type(value, key, where)
        if wrong is not None:
            into.unreadable.add(name)
            yield wrong
            return
        if key.remark:
            yield PluginFinding(code="NAD502", path=where, detail=key.remark)
        if key.type == "object":
            inner = Decoded()
            into[name] = inner
            yield from self._object(cast(Conf, value), key.keys, where, inner)
        elif key.items is not None:
            yield from self._items(value, key, key.items, where, into, name)
        else:
            into[name] = value
        yield from self._limits(value, key, where)

    def _items(self, value: Any, key: Key, item_key: Key, where: str, into: Decoded, name: str) -> Findings:
        """Read the items of an array, or the values of a map. Null becomes None, unless it is a mistake.

        An object that is null lacks all of its keys, because its Go struct is empty.
        """
        pairs = value.items() if key.type == "map" else enumerate(value)
        read: list[object] = []
        for label, item in pairs:
            place = join(where, label) if isinstance(label, str) else f"{where}[{label}]"
            if item is None:
                self.budget.spend(1)
                read.append(None)
                if not key.null_items:
                    detail = f"the plugin {self.plugin} crashes on null in this list"
                    yield PluginFinding(code="NAD106", path=place, detail=detail, fix="remove it")
                else:
                    yield from self._missing(item_key.keys, place, Decoded())
                continue
            holder = Decoded()
            yield from self._value(item, item_key, place, holder, "item")
            if holder.unreadable:
                into.unreadable.add(name)
            read.append(holder.get("item"))
        if name not in into.unreadable:
            into[name] = read if key.type == "array" else dict(zip(value, read, strict=True))

    def _wrong_type(self, value: object, key: Key, where: str) -> PluginFinding | None:
        if key.type == "any":
            return None
        if key.type != "integer":
            return None if isinstance(value, JSON_TYPES[key.type][0]) else self._mismatch(value, key, where)
        if isinstance(value, bool) or not isinstance(value, int):
            return self._mismatch(value, key, where)
        least, most = GO_INTEGERS[key.go]
        if least <= value <= most:
            return None
        detail = f"the plugin {self.plugin} cannot hold this number in its {key.go}"
        refusal = f"json: cannot unmarshal number ... of type {key.go}"
        allowed = f"{least} to {most}"
        return PluginFinding(code="NAD102", path=where, detail=detail, value=value, allowed=allowed, refusal=refusal)

    def _mismatch(self, value: object, key: Key, where: str) -> PluginFinding:
        go = {"integer": key.go, "boolean": "bool"}.get(key.type)
        into = f"... of type {go}" if go else "into"  # NB: for other types Go prints the plugin's own, such as net.IP
        return PluginFinding(
            code="NAD101",
            path=where,
            detail=f"wrong JSON type for the plugin {self.plugin}",
            value=value,
            allowed=JSON_TYPES[key.type][1],
            refusal=f"json: cannot unmarshal {_go_kind(value)} {into}",
        )

    def _limits(self, value: Any, key: Key, where: str) -> Findings:
        if key.type in {"integer", "array"}:
            yield from self._bounds(value, key, where)
        if value in ("", [], {}):
            return
        if key.values and not _is_known(value, key):
            allowed = ", ".join(str(choice) for choice in key.values)
            detail = f"the plugin {self.plugin} does not know this value"
            yield self._broken(key, "NAD202", where, value, detail, allowed)
        if key.format and not fits(value, key.format):
            detail = f"the plugin {self.plugin} cannot read this text"
            yield self._broken(key, "NAD203", where, value, detail, ALLOWED[key.format])
        elif key.format and (surprise := remark(value, key.format)):
            yield PluginFinding(code="NAD506", path=where, detail=surprise, value=value)

    def _bounds(self, value: Any, key: Key, where: str) -> Findings:
        size = len(value) if isinstance(value, list) else value
        is_short = key.minimum is not None and size < key.minimum
        if is_short or (key.maximum is not None and size > key.maximum):
            unit = " items" if isinstance(value, list) else ""
            detail = f"the plugin {self.plugin} takes {_range_words(key)}{unit}"
            yield self._broken(key, "NAD201", where, size, detail, "")

    def _broken(self, key: Key, usual: str, where: str, value: object, detail: str, allowed: str) -> PluginFinding:
        return PluginFinding(
            code=key.code or usual,
            path=where,
            detail=key.detail or detail,
            value=value,
            allowed=allowed,
            refusal=key.refusal,
        )


def _is_known(value: object, key: Key) -> bool:
    if key.any_case and isinstance(value, str):
        return value.lower() in {choice.lower() for choice in key.values if isinstance(choice, str)}
    return value in key.values


def _range_words(key: Key) -> str:
    if key.minimum is None:
        return f"at most {key.maximum}"
    return f"{key.minimum} or more" if key.maximum is None else f"{key.minimum} to {key.maximum}"


def _go_kind(value: object) -> str:
    """Return the name of a JSON type in the errors of encoding/json."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
