"""`Record`: an immutable value with named fields, at a tenth of the import cost of `dataclasses`.

A subclass lists its fields as annotations, with defaults as assignments:

    class Port(Record):
        number: int
        protocol: str = "tcp"

Fields are keyword-only, live in slots, and take part in equality, hashing and `repr` in the order they are written.
`dataclasses` (+9 ms, +14 ms with ten classes) and `typing.NamedTuple` (+6.5 ms) are too dear for a process that
lives 20 ms. Field types must be immutable values; a JSON object inside a Record is never changed after it is read.

A class with `_memo: object = None` has a slot that is not a field. It keeps the results of `remember` as long as the
value lives, so it needs no bound.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any, Self, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options: object) -> object:
        """Replace `typing.dataclass_transform`, whose import costs more than this module."""
        return lambda decorated: decorated


class _RecordType(type):
    """Turns the annotations of a class body into slots, an `__init__` order and defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        own = tuple(key for key in namespace.get("__annotations__", {}) if not key.startswith("_"))
        inherited = next((base for base in bases if isinstance(base, _RecordType)), None)
        defaults = dict(inherited.__defaults__ if inherited else {})
        defaults.update((key, namespace.pop(key)) for key in own if key in namespace)
        slots = (*own, "_memo") if "_memo" in namespace else own
        namespace.pop("_memo", None)
        namespace.update(__slots__=slots, __defaults__=defaults)
        made = super().__new__(mcs, name, bases, namespace)
        # A slot's own `__set__` bypasses `Record.__setattr__`, and is the fastest way to fill it.
        setters = {key: made.__dict__[key].__set__ for key in own}
        made.__setters__ = {**(inherited.__setters__ if inherited else {}), **setters}
        made.__fields__ = tuple(made.__setters__)
        return made

    __fields__: tuple[str, ...]
    __setters__: dict[str, Any]
    __defaults__: dict[str, Any]


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record(metaclass=_RecordType):
    """Base of immutable values. Raises TypeError for a missing or unknown field, like any Python call."""

    def __init__(self, **values: Any) -> None:
        cls = self.__class__
        filled = {**cls.__defaults__, **values}
        setters = cls.__setters__
        try:
            for field, value in filled.items():
                setters[field](self, value)
        except KeyError as unknown:
            raise TypeError(f"{cls.__name__} has no field {unknown}") from None
        if len(filled) != len(setters):
            missing = next(field for field in setters if field not in filled)
            raise TypeError(f"{cls.__name__} needs the field {missing!r}")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        values = {field: getattr(self, field) for field in type(self).__fields__}
        return type(self)(**{**values, **changes})

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: the value is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: the value is immutable")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in type(self).__fields__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in type(self).__fields__)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{field}={getattr(self, field)!r}" for field in type(self).__fields__)
        return f"{type(self).__name__}({shown})"


def remember(record: Record, name: Hashable, compute: Callable[[Any], T]) -> T:
    """Return the result of `compute` for a record that has a `_memo`; only the first call for a name computes it."""
    memo: dict[Hashable, Any]
    try:
        memo = record._memo  # type: ignore[attr-defined]  # noqa: SLF001
    except AttributeError:
        memo = {}
        type(record)._memo.__set__(record, memo)  # type: ignore[attr-defined]  # noqa: SLF001
    if name not in memo:
        memo[name] = compute(record)
    result: T = memo[name]
    return result
