"""One plugin in its place in a network, as constraints and rules see it; and the constraints of schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.decoding import Decoded
from webhook.admission.plugins.findings import PluginFinding
from webhook.admission.plugins.schema import Conditions, Constraint, PluginSchema

_ZERO: tuple[object, ...] = (None, "", False, 0, [], {})


class Origin(NamedTuple):
    """The definition in which a configuration is written: some plugins compare it with their keys.

    `namespace`, `name`: "" for what is not known, as the namespace of a file that leaves it to kubectl, or both for a
    configuration in the parameters of a claim.
    """

    namespace: str = ""
    name: str = ""


NO_ORIGIN = Origin()


class Network(NamedTuple):
    """The facts about a network that all of its plugins share.

    `name`: the name in the text, "" for none. `size`: the number of plugins. `has_resource`: whether a resource name
    or a claim gives a device. `origin`: of the configuration.
    """

    name: str = ""
    cni_version: str = ""
    size: int = 1
    has_resource: bool = False
    origin: Origin = NO_ORIGIN


class Placed(NamedTuple):
    """A plugin of a network, or the IPAM plugin inside one.

    `values`: the object that it reads, which is `ipam` for an IPAM plugin; `path`: of that object. `earlier`: the types
    before it in the list, and whether each has a schema. `declared`: the capabilities that are true. `network`: of
    which it is a part. `arguments`: the requests of pods that it gets in CNI_ARGS: some of ips, mac. `has_addresses`:
    whether an earlier plugin may have given the interface addresses.
    """

    schema: PluginSchema
    values: Decoded
    path: str
    earlier: Mapping[str, bool]
    declared: frozenset[str]
    network: Network
    arguments: frozenset[str] = frozenset()
    has_addresses: bool = True

    @property
    def cni_version(self) -> str:
        """The CNI version of the network."""
        return self.network.cni_version

    def where(self, dotted: str) -> str:
        """Return the path of one of its keys, such as `ipam.type`; of the object itself for ""."""
        path = self.path
        for name in dotted.split(".") if dotted else ():
            path = join(path, name)
        return path


Test = Callable[[Decoded], bool]
"""Says whether a condition holds for the values of a plugin."""


def prepare_conditions(conditions: Conditions) -> Test:
    """Return the test whether all conditions hold. A condition on a key that cannot be read does not."""
    tests = tuple(_prepare(key, condition) for key, condition in conditions.items())
    if len(tests) == 1:
        return tests[0]

    def hold(values: Decoded) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would cost more than most conditions
            if not test(values):
                return False
        return True

    return hold


def _prepare(key: str, condition: object) -> Test:
    """Return the test of one condition. NB: only a key inside another object has a dot."""
    is_met = _TESTS[condition] if isinstance(condition, str) else _value_test(condition)
    if "." not in key:
        return lambda values: is_met(values.get(key)) and key not in values.unreadable

    def test(values: Decoded) -> bool:
        try:
            value = values.find(key)
        except KeyError:
            return False
        return is_met(value)

    return test


_TESTS: Mapping[str, Callable[[object], bool]] = {
    "set": lambda value: value not in _ZERO,
    "unset": lambda value: value in _ZERO,
    "present": lambda value: value is not None,
    "absent": lambda value: value is None,
}
"""The test of each `schema.State`."""


def _value_test(condition: Any) -> Callable[[object], bool]:
    """Return the test of a condition that lists values, or those that are excluded."""
    if isinstance(condition, Mapping):
        excluded = condition["not"]
        return lambda value: value is not None and not _is_one_of(value, excluded)
    return lambda value: _is_one_of(value, condition)


def _is_one_of(value: object, choices: Any) -> bool:
    return any(value == choice and type(value) is type(choice) for choice in choices)


class PreparedConstraint(NamedTuple):
    """A constraint with its test. `needed`: a key without which it cannot hold, "" for none."""

    needed: str
    test: Test
    constraint: Constraint


def prepare_constraint(constraint: Constraint) -> PreparedConstraint:
    """Return a constraint with what its test needs. NB: most keys are absent from most configurations."""
    needed = [key for key, condition in constraint.when.items() if condition not in ("unset", "absent")]
    tops = [key.partition(".")[0] for key in needed]
    first = next((top for top in tops if top != "ipam"), "")
    return PreparedConstraint(first, prepare_conditions(constraint.when), constraint)


def constraint_findings(placed: Placed, constraints: Iterable[PreparedConstraint]) -> list[PluginFinding]:
    """Return a finding for each constraint whose conditions all hold."""
    values = placed.values
    return [
        _finding(constraint, placed)
        for needed, test, constraint in constraints
        if (not needed or needed in values) and test(values)
    ]


def _finding(constraint: Constraint, placed: Placed) -> PluginFinding:
    """NB: the conditions may be about other keys than the one to point at, which Go may not be able to decode."""
    value = placed.values.find_readable(constraint.at) if constraint.at else None
    return PluginFinding(
        code=constraint.code,
        path=placed.where(constraint.at),
        detail=constraint.detail,
        value=None if isinstance(value, dict | list) else value,
        fix=constraint.fix,
        refusal=constraint.refusal,
    )
