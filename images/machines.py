"""The architectures for which the images are built, in the words of everybody who names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One architecture."""

    name: str
    """As `uname -m` and the names of bundles and wheels have it."""
    debian: str
    """As Debian's packages have it."""
    oci: str
    """GOARCH, as the OCI image specification wants it ("image index", property `platform`)."""
    triplet: str
    """The directory of Debian's libraries, and the prefix of its cross compiler."""
    elf: int
    """e_machine of an ELF header."""


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("x86_64", "amd64", "amd64", "x86_64-linux-gnu", 62),
        Machine("aarch64", "arm64", "arm64", "aarch64-linux-gnu", 183),
    )
}


class BuildError(Exception):
    """One line that says why something cannot be built."""


def machine(name: str) -> Machine:
    """Return an architecture by its name, or by Debian's name for it. Raises BuildError for an unknown one."""
    for one in MACHINES.values():
        if name in (one.name, one.debian):
            return one
    raise BuildError(f"architecture {name!r} is not known; known: {', '.join(MACHINES)}")
