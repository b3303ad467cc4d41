"""Reads the drivers of this package; what is wrong with a file is found by the tests, not at each start."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from webhook.admission.dra.drivers import Driver, Drivers
from webhook.driverdata.fileformat import DriverFile, driver_of

OWN = Path(__file__).parent

_decode = msgspec.json.Decoder(DriverFile).decode


@cache
def load_drivers() -> Mapping[str, Driver]:
    """Return the drivers by name. They are read once."""
    found = (driver_of(_decode(file.read_bytes())) for file in sorted(OWN.glob("*.json")))
    return {driver.name: driver for driver in found}


@cache
def default_drivers() -> Drivers:
    """Return what holds where an admin has written nothing."""
    return Drivers(by_name=load_drivers())
