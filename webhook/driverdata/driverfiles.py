"""Reads the files of this package: JSON, one DRA driver each, with the fields of `webhook.admission.dra.drivers`.

Tests look for mistakes in the files (`admindrivers`), so a start does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from webhook.admission.dra.drivers import Driver, Drivers

FOLDER = Path(__file__).parent

_drivers = msgspec.json.Decoder(Driver)


@cache
def load_drivers() -> Mapping[str, Driver]:
    """Return the drivers by name. The files are read once."""
    drivers = (_drivers.decode(file.read_bytes()) for file in sorted(FOLDER.glob("*.json")))
    return {driver.driver: driver for driver in drivers}


@cache
def default_drivers() -> Drivers:
    """Return the drivers that count if an admin has configured nothing."""
    return Drivers(by_name=load_drivers())
