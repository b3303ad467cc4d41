"""Drivers that admins describe, from plain JSON to values or to every mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from webhook.admission.dra.drivers import Driver
from webhook.driverdata.fileformat import DriverFile, driver_of, mistakes_of
from webhook.plugindata.form import Mistake, mistakes


class OwnDrivers(NamedTuple):
    """What was read: the drivers by name, and what is wrong, in input order; its first step is the driver's index."""

    by_name: Mapping[str, Driver]
    mistakes: Sequence[Mistake]


def read_own(written: Sequence[object]) -> OwnDrivers:
    """Read drivers. Where there are mistakes, those that are right are returned all the same."""
    by_name: dict[str, Driver] = {}
    wrong: list[Mistake] = []
    for index, value in enumerate(written):
        found = list(mistakes(value, DriverFile))
        if not found:
            read = msgspec.convert(value, DriverFile)
            found = list(mistakes_of(read))
            if not found and read.driver in by_name:
                found = [Mistake(("driver",), f"the driver is described already: {read.driver}; keep one of them")]
            if not found:
                by_name[read.driver] = driver_of(read)
        wrong += [Mistake((index, *mistake.steps), mistake.said) for mistake in found]
    return OwnDrivers(by_name, wrong)
