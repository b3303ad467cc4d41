"""The documents agree with the code: the keys in docs/node.md, the tests in docs/conformance.md."""

from __future__ import annotations

import json
import re

import pytest

from cniplugin.host import logfile
from cniplugin.protocol import netconf
from cniplugin.protocol.netconf import NetConf
from tests.paths import ROOT

OF_CNI = {
    *("cniVersion", "cniVersions", "name", "type", "ipam", "dns", "args", "capabilities", "runtimeConfig"),
    *("prevResult", "disableCheck", "disableGC", "loadOnlyInlinedPlugins"),
    *("cni.dev/valid-attachments", "cni.dev/attachments"),
}
"""Keys that each CNI configuration or request may have."""

NO_VALUE = {"kubeconfig", "namespaceIsolation"}
"""Keys without a default value; the table describes their absence in words."""


def documented() -> dict[str, str]:
    """Return the keys of the table with their defaults, as text without its marks."""
    text = (ROOT / "docs/node.md").read_text().partition("\n| key | default | |\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for row in text.splitlines()[1:]:
        _, keys, default, *_ = (cell.strip() for cell in row.split("|"))
        names = re.findall(r"`([^`]+)`", keys)
        defaults = default.split(", ") if len(names) > 1 and default else [default] * len(names)
        found.update(zip(names, (one.strip("`") for one in defaults), strict=True))
    return found


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)


def test_every_key_is_in_the_table() -> None:
    assert documented().keys() == netconf._KEYS.keys() - OF_CNI


@pytest.mark.parametrize("key", sorted(netconf._KEYS.keys() - OF_CNI - NO_VALUE))
def test_defaults(key: str) -> None:
    field, _ = netconf._KEYS[key]
    told = documented()[key]
    if key == "logOptions":
        assert json.loads(told) == logfile.OPTIONS
    elif key == "globalNamespaces":
        assert told == shown(netconf.GLOBAL_NAMESPACES)
    elif field != netconf._UNUSED:
        assert told.replace("none", "") == shown(getattr(NetConf(name="net", cni_version="1.1.0"), field))


CONFORMANCE = (ROOT / "docs/conformance.md").read_text()
NAMED = sorted(set(re.findall(r"`(\w+/[\w/]*test_\w+\.py)(?:::(\w+))?`", CONFORMANCE)))


def test_tests_are_named() -> None:
    assert len(NAMED) > 80


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    places = [ROOT / folder / file for folder in ("tests", "conformance/profiles")]
    text = next(path for path in places if path.exists()).read_text()
    assert not name or re.search(rf"def {name}\b", text)


def test_every_rule_of_libcni_is_documented_once() -> None:
    section = CONFORMANCE.partition("## CNI 1.1 and libcni")[2].partition("\n## ")[0]
    told: list[int] = []
    for cell in re.findall(r"^\| (\d[\d, -]*) \|", section, re.MULTILINE):
        for part in cell.split(", "):
            first, _, last = part.partition("-")
            told += range(int(first), int(last or first) + 1)
    assert told == list(range(1, 53))
