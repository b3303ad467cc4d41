"""`Record`: an immutable value with named fields, at a tenth of the import cost of `dataclasses`.

A subclass lists its fields as annotations, with defaults as assignments:

    class Port(Record):
        number: int
        protocol: str = "tcp"

Fields are keyword-only, live in slots, and take part in equality, hashing and `repr` in the order they are written.
`dataclasses` (+9 ms, +14 ms with ten classes) and `typing.NamedTuple` (+6.5 ms) are too dear for a process that
lives 20 ms. Field types must be immutable values; a JSON object inside a Record is never changed after it is read.

Filling the slots of a `Record` costs more than the work of most functions. So the values that are made for each pod or
definition are of `PlainRecord`: they write their own `__init__`, which takes a quarter of the time. One with a slot
`_memo` keeps the results of `remember` as long as it lives, so they need no bound.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from typing import Any, Protocol, Self, TypeVar, dataclass_transform

    from mypy_extensions import mypyc_attr as mypyc_attr  # noqa: PLC0414 - modules that can be compiled import it

    T = TypeVar("T")

    class Remembering(Protocol):
        """A value that keeps what was computed from it."""

        @property
        def _memo(self) -> dict[Hashable, Any]:
            """Return the results by their name."""
else:

    def dataclass_transform(**_options: object) -> object:
        """Replace `typing.dataclass_transform`, whose import costs more than this module."""
        return lambda decorated: decorated

    def mypyc_attr(**_options: object) -> object:
        """Replace the decorator that tells mypyc how to compile a class; see `images/compiled/modules.py`."""
        return lambda decorated: decorated


class _RecordType(type):
    """Turns the annotations of a class body into slots, an `__init__` order and defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        own = tuple(key for key in namespace.get("__annotations__", {}) if not key.startswith("_"))
        inherited = next((base for base in bases if isinstance(base, _RecordType)), None)
        defaults = dict(inherited.__defaults__ if inherited else {})
        defaults.update((key, namespace.pop(key)) for key in own if key in namespace)
        namespace.update(__slots__=own, __defaults__=defaults)
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


class PlainRecord:
    """Base of values that are made often. mypy keeps them immutable; a check at run time would cost too much.

    A subclass lists its fields in `__slots__`, in their order, and assigns each one in `__init__` as `Final`. A slot
    whose name begins with an underscore is not a field.
    """

    __slots__: tuple[str, ...] = ()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        values = {field: getattr(self, field) for field in _fields_of(self)}
        return type(self)(**{**values, **changes})

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in _fields_of(self))

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in _fields_of(self))))

    def __repr__(self) -> str:
        shown = ", ".join(f"{field}={getattr(self, field)!r}" for field in _fields_of(self))
        return f"{type(self).__name__}({shown})"


def _fields_of(record: PlainRecord) -> Iterator[str]:
    return (field for field in type(record).__slots__ if not field.startswith("_"))


def remember(record: Remembering, name: Hashable, compute: Callable[[Any], T]) -> T:
    """Return the result of `compute` for a record that has a `_memo`; only the first call for a name computes it."""
    memo = record._memo  # noqa: SLF001
    if name not in memo:
        memo[name] = compute(record)
    result: T = memo[name]
    return result
