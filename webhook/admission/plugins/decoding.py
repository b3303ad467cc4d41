"""One object of a configuration, read as the plugin's Go struct reads it (encoding/json).

Go reads keys in any letter case, takes null for absent, drops unknown keys, and accepts an integer literal that fits
its Go type. A key that Go cannot decode is NAD101 or NAD102, and has no other finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, cast

from cniplugin.netspec.jsontext import join
from cniplugin.netspec.record import mypyc_attr
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.foreignkeys import ForeignKeys
from webhook.admission.plugins.goparsing import ALLOWED, JSON_TYPES, fits, remark
from webhook.admission.plugins.schema import GO_INTEGERS, Key, PluginChecks, PluginSchema
from webhook.admission.plugins.spelling import near_miss, same_letters

Conf = Mapping[str, Any]

IPAM_ENVELOPE = frozenset({"type"})
"""Keys that every `ipam` object may have."""

UNKNOWN_KEYS_MAX = 60
"""Unknown keys of one configuration to compare with known keys: each costs 0.2 ms, and hostile texts have 100,000."""


@mypyc_attr(native_class=False)
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


@mypyc_attr(native_class=False)
class Decoded(dict[str, Any]):
    """The values that Go would see, by the plugin's spelling of the keys; nested objects are `Decoded` as well.

    `unreadable`: the keys that Go cannot decode; they have no value here.
    """

    unreadable: AbstractSet[str] = frozenset()

    def mark_unreadable(self, name: str) -> None:
        """Note a key that Go cannot decode."""
        self.unreadable = self.unreadable | {name}

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

    def find_readable(self, dotted: str) -> object:
        """Return the same, and None as well for a value that Go cannot decode."""
        try:
            return self.find(dotted)
        except KeyError:
            return None


class _Unsure:
    """The answer of a reader about a value that it does not take."""


UNSURE = _Unsure()

Reader = Callable[[Any, Budget], object]
"""Takes a value that is not null, and returns what Go would see; UNSURE if there may be anything to say about it.

A reader spends the values that it reads. It may overspend the budget, and whoever calls it looks at that.
"""


class Member:
    """One key, prepared once. `types`: those of the values that Go can decode; None if any type is right.

    `look`: reads a value of a right type further; None if nothing about it can be wrong. `shape`: of its object;
    `item`: of its items. `is_sure`: whether there may be nothing to say about a value.
    """

    __slots__ = ("is_sure", "item", "key", "look", "shape", "types")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.types = None if key.type == "any" else (JSON_TYPES[key.type][0],)
        self.shape = Shape(key.keys) if key.type == "object" else None
        self.item = None if key.items is None else Member(key.items)
        is_nested = self.shape is not None or self.item is not None
        self.is_sure = not key.remark and not (is_nested and (key.values or key.format))
        self.look = _look_of(key, self.shape, self.item)

    def takes(self, kind: type) -> bool:
        """Say whether there may be nothing to say about a value of a type. NB: values of JSON have no other types."""
        return self.is_sure and (self.types is None or kind in self.types)

    @property
    def is_free(self) -> bool:
        """Say whether any text or number is right that `takes` and `look` take."""
        return self.key.type in {"string", "integer"}

    def mark(self, value: Any) -> object:
        """Return a value with marks in it; None if a free value is empty, or nothing in it may be free.

        NB: other checks ask for types as well, so a mark says that the type is right.
        """
        if not self.takes(type(value)):
            return None
        if self.shape is not None:
            return self.shape.mark(value)
        if self.item is None:
            return value if not self.is_free else MARK if value else None
        items = value if isinstance(value, list) else value.values()
        if None in items:
            return None
        marked = [self.item.mark(item) for item in items]
        if None in marked:
            return None
        return marked if isinstance(value, list) else dict(zip(value, marked, strict=True))

    def read(self, value: Any, budget: Budget) -> object:
        """Read a value as a `Reader` does."""
        if not self.takes(type(value)):
            return UNSURE
        budget.values -= 1
        return value if self.look is None else self.look(value, budget)


MARK = True
"""What stands for a free value (`mark`). NB: only texts and numbers are free, so no value of such a key is it."""


class Layout(NamedTuple):
    """What follows from the keys of an object and the types of their values.

    `names`: the keys that are read. `pick`: returns their values, as a tuple. `looks`: reads values further, by the
    key. `required`: keys that must not be empty. `pick_free`: returns the values that may be free, and `marks` has a
    mark for each; one of the values in `compared` is not free. `nested`: keys whose values may hold free values.
    """

    names: tuple[str, ...]
    pick: Callable[[Conf], tuple[Any, ...]]
    looks: tuple[tuple[str, Reader], ...]
    required: tuple[str, ...]
    pick_free: Callable[[Conf], tuple[Any, ...]]
    marks: Mapping[str, bool]
    compared: tuple[tuple[str, AbstractSet[object]], ...]
    nested: tuple[tuple[str, Member], ...]


NONE: Mapping[str, AbstractSet[object] | None] = {}

LAYOUTS_MAX, LAYOUT_KEYS_MAX, LAYOUT_LETTERS_MAX = 1024, 32, 512
"""Layouts that are kept of all shapes together, and the keys and letters of one: 4 MiB at most."""


class Shape:
    """The keys of one object, prepared once. `required`: the keys that must be set, with their names.

    `compared`: values that conditions of the plugin compare with those of a key, so that they are not free; all values
    of a key that has None.
    """

    __slots__ = ("_compared", "_folded", "keys", "members", "required")

    layouts: ClassVar[dict[tuple[Any, ...], Layout | None]] = {}
    """By the shape, the keys and their types. Objects of a cluster have few layouts."""

    def __init__(self, keys: Mapping[str, Key], compared: Mapping[str, AbstractSet[object] | None] = NONE) -> None:
        self.keys = keys
        self._compared = compared
        self.members = {name: Member(key) for name, key in keys.items()}
        self.required = tuple((name, key) for name, key in keys.items() if key.required)
        self._folded: Mapping[str, str] | None = None

    def name_of(self, written: str) -> str | None:
        """Return the key that Go reads as one that is spelt otherwise; None for an unknown key."""
        if self._folded is None:
            self._folded = {name.casefold(): name for name in self.keys}
        return self._folded.get(written.casefold())

    def read(self, conf: Conf, budget: Budget, *, skipped: frozenset[str]) -> Decoded | None:
        """Return the object of a plugin without the keys of `skipped` that are not in this shape.

        None if there may be anything to say about it: `Decoder` reads it with care then, with the same budget.
        """
        before = budget.values
        into = self.read_members(conf, budget, skipped)
        if isinstance(into, _Unsure) or budget.values < 0:
            budget.values = before
            return None
        return into

    def read_members(self, conf: Conf, budget: Budget, skipped: frozenset[str] = frozenset()) -> Decoded | _Unsure:
        """Return an object as a reader does."""
        layout = self.layout_of(conf, skipped)
        return UNSURE if layout is None else fill(layout, conf, budget)

    def mark(self, conf: Conf) -> dict[str, Any] | None:
        """Return an object as `mark` does; None also if it cannot be read."""
        layout = self.layout_of(conf, frozenset())
        return None if layout is None else mark(layout, conf)

    def layout_of(self, conf: Conf, skipped: frozenset[str]) -> Layout | None:
        """Return the layout of an object; None if there may be anything to say about its keys or their types."""
        key = (self, skipped, *conf, *map(type, conf.values()))
        layout = Shape.layouts.get(key, UNSURE)
        if isinstance(layout, _Unsure):
            layout = self._lay_out(conf, skipped)
            if len(conf) <= LAYOUT_KEYS_MAX and len("".join(conf)) <= LAYOUT_LETTERS_MAX:
                if len(Shape.layouts) >= LAYOUTS_MAX:
                    Shape.layouts.clear()
                Shape.layouts[key] = layout
        return layout

    def _lay_out(self, conf: Conf, skipped: frozenset[str]) -> Layout | None:
        names: list[str] = []
        for written, value in conf.items():
            member = self.members.get(written)
            if member is None:
                if written in skipped:
                    continue
                return None
            if value is not None:
                if not member.takes(type(value)):
                    return None
                names.append(written)
        if any(name not in names for name, _ in self.required):
            return None
        members = {name: self.members[name] for name in names}
        compared = {name: self._compared.get(name, frozenset()) for name in names}
        unfixed = {name: member for name, member in members.items() if compared[name] is not None}
        free = [name for name, member in unfixed.items() if member.is_free]
        return Layout(
            names=tuple(names),
            pick=_picking(names),
            looks=tuple((name, member.look) for name, member in members.items() if member.look is not None),
            required=tuple(name for name, _ in self.required),
            pick_free=_picking(free),
            marks=dict.fromkeys(free, MARK),
            compared=tuple((name, values) for name in free if (values := compared[name])),
            nested=tuple((name, one) for name, one in unfixed.items() if one.shape is not None or one.item is not None),
        )


def fill(layout: Layout, conf: Conf, budget: Budget) -> Decoded | _Unsure:
    """Return an object with this layout as a reader does."""
    budget.values -= len(layout.names)
    into = Decoded(zip(layout.names, layout.pick(conf), strict=True))
    for name, look in layout.looks:
        value = into[name]
        found = look(value, budget)
        if found is not value:
            if found is UNSURE:
                return UNSURE
            into[name] = found
    for name in layout.required:
        if into[name] == "":
            return UNSURE
    return into


def mark(layout: Layout, conf: Conf) -> dict[str, Any] | None:
    """Return an object with this layout as it is written, with a mark in the place of each free value.

    None if a free value is empty, because findings may depend on that. What there is to say about the values is not
    looked at.
    """
    if not all(layout.pick_free(conf)):
        return None
    marked = {**conf, **layout.marks}
    for name, values in layout.compared:
        if conf[name] in values:
            marked[name] = conf[name]
    for name, member in layout.nested:
        inner = member.mark(conf[name])
        if inner is None:
            return None
        marked[name] = inner
    return marked


def _picking(names: Sequence[str]) -> Callable[[Conf], tuple[Any, ...]]:
    """Return a function that returns the values of keys. NB: `itemgetter` returns a tuple for two keys or more."""
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda conf: (conf[names[0]],)) if names else (lambda _conf: ())


NO_KEYS = Shape({})


def shape_of(schema: PluginSchema, checks: PluginChecks) -> Shape:
    """Return the keys of a schema of these checks, which keep them."""
    key = ("shape", id(schema))
    known: Shape | None = checks.prepared.get(key)
    if known is None:
        known = checks.prepared[key] = Shape(schema.keys, _compared_values(schema))
    return known


def _compared_values(schema: PluginSchema) -> Mapping[str, AbstractSet[object] | None]:
    """Return the values that conditions of a schema compare, by key. NB: the other conditions ask for emptiness."""
    found: dict[str, frozenset[object] | None] = {}
    for when in (*(one.when for one in schema.constraints), *(one.when for one in schema.predecessors)):
        for dotted, condition in when.items():
            key, dot, _ = dotted.partition(".")
            if isinstance(condition, str) and not dot:
                continue
            values = condition["not"] if isinstance(condition, Mapping) else condition
            before = found.get(key, frozenset())
            found[key] = None if dot or before is None else before.union(values)
    return found


def _look_of(key: Key, shape: Shape | None, item: Member | None) -> Reader | None:
    """Return what reads a value of a key further when its type is right; None if nothing about it can be wrong."""
    if shape is not None:
        return shape.read_members
    if item is None:
        return _scalar_look(key)
    return _list_look(key, item.read) if key.type == "array" else _map_look(item.read)


def _list_look(key: Key, read_item: Reader) -> Reader:
    """Return what reads an array that holds no null."""

    def look(value: Any, budget: Budget) -> object:
        return _read_items(value, read_item, budget) if _is_within(value, key) else UNSURE

    return look


def _map_look(read_item: Reader) -> Reader:
    """Return what reads a map that holds no null."""

    def look(value: Any, budget: Budget) -> object:
        found = _read_items(value.values(), read_item, budget)
        return UNSURE if isinstance(found, _Unsure) else dict(zip(value, found, strict=True))

    return look


def _read_items(items: Iterable[Any], read_item: Reader, budget: Budget) -> list[object] | _Unsure:
    found: list[object] = []
    for item in items:
        read = UNSURE if item is None or budget.values < 0 else read_item(item, budget)
        if read is UNSURE:
            return UNSURE
        found.append(read)
    return found


def _scalar_look(key: Key) -> Reader | None:
    """Return what reads a value that is kept as it is written."""
    least, most = GO_INTEGERS[key.go] if key.type == "integer" else (None, None)
    has_size = key.type in {"integer", "array"} and (key.minimum is not None or key.maximum is not None)
    values, form = key.values, key.format
    if least is None and not has_size and not values and not form:
        return None

    def look(value: Any, _budget: Budget) -> object:
        if least is not None and not least <= value <= most:
            return UNSURE
        if has_size and not _is_within(value, key):
            return UNSURE
        if not (values or form) or value in ("", [], {}):
            return value
        if values and not _is_known(value, key):
            return UNSURE
        return UNSURE if form and (not fits(value, form) or remark(value, form)) else value

    return look


def _is_within(value: Any, key: Key) -> bool:
    """Say whether an integer, or the number of items of a list, is within the limits of a key."""
    size = len(value) if isinstance(value, list) else value
    return (key.minimum is None or size >= key.minimum) and (key.maximum is None or size <= key.maximum)


class Decoder:
    """Reads the object of one plugin with care: it finds mistakes, and says where they are.

    `plugin`: its type. `envelope`: keys at the top that other programs read. `misplaced`: keys that belong into `ipam`,
    each with the IPAM plugin that reads it. `foreign`: the keys of other plugins, None if nobody asks. A reader of the
    object's `Shape` takes each value that is right.
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

    def decode(self, conf: Conf, shape: Shape, path: str, into: Decoded) -> Findings:
        """Read the plugin's object into `into`; yield its mistakes in input order.

        NB: `log_level` of sriov is meant for the plugin, which has `logLevel`, although IPAM plugins read `log_level`.
        """
        self.top = into
        misplaced = self._find_misplaced(conf, shape.keys) if self.misplaced else ()
        for written in misplaced:
            detail = f"IPAM {self.misplaced[written]} reads this key inside ipam, and nothing reads it here"
            where = join(path, written)
            yield PluginFinding(code="NAD109", path=where, detail=detail, fix='move it into "ipam"')
        skipped = self.envelope.union(misplaced) if misplaced else self.envelope
        yield from self._object(conf, shape, path, into, skipped=skipped)

    def _find_misplaced(self, conf: Conf, keys: Mapping[str, Key]) -> list[str]:
        unknown = (written for written in conf if written not in keys and written not in self.envelope)
        unread = [written for written in unknown if written in self.misplaced]
        spelt = {same_letters(name) for name in keys} if unread else set()
        return [written for written in unread if same_letters(written) not in spelt]

    def _object(
        self, conf: Conf, shape: Shape, path: str, into: Decoded, *, skipped: frozenset[str] = frozenset()
    ) -> Findings:
        """Read one object, without the keys that are not in `shape` and in `skipped`.

        An unknown key is compared with the keys of `shape`, at the top also with those of the envelope.
        """
        budget, members = self.budget, shape.members
        for written, value in conf.items():
            member = members.get(written)
            if member is not None:
                if value is None:
                    continue
                before = budget.values
                read = member.read(value, budget)
                if read is not UNSURE and budget.values >= 0:
                    into[written] = read
                    continue
                budget.values = before
                yield from self._value(value, member, join(path, written), into, written)
                continue
            if written in skipped:
                continue
            name, where = shape.name_of(written), join(path, written)
            if name is None:
                is_top = into is self.top
                known = (*shape.keys, *sorted(self.envelope)) if is_top else shape.keys
                yield from self._unknown(written, known, where, is_top=is_top)
            elif value is not None:
                yield self._other_case(where, name)
                yield from self._value(value, members[name], where, into, name)
        for name, key in shape.required:
            if into.get(name) in (None, ""):
                yield from self._missing(name, key, path, into)

    def _missing(self, name: str, key: Key, path: str, into: Decoded) -> Findings:
        if name not in into.unreadable:
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

    def _value(self, value: object, member: Member, where: str, into: Decoded, name: str) -> Findings:
        """Read one value that is not null with care, and store it in `into` unless Go cannot decode it."""
        self.budget.spend(1)
        key = member.key
        wrong = self._wrong_type(value, key, where)
        if wrong is not None:
            into.mark_unreadable(name)
            yield wrong
            return
        if key.remark:
            yield PluginFinding(code="NAD502", path=where, detail=key.remark)
        if member.shape is not None:
            inner = Decoded()
            into[name] = inner
            yield from self._object(cast(Conf, value), member.shape, where, inner)
        elif member.item is not None:
            yield from self._items(value, key, member.item, where, into, name)
        else:
            into[name] = value
        yield from self._limits(value, key, where)

    def _items(self, value: Any, key: Key, member: Member, where: str, into: Decoded, name: str) -> Findings:
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
                    for lacking, its_key in (member.shape or NO_KEYS).required:
                        yield from self._missing(lacking, its_key, place, Decoded())
                continue
            holder = Decoded()
            yield from self._value(item, member, place, holder, "item")
            if holder.unreadable:
                into.mark_unreadable(name)
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
        if not _is_within(value, key):
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
