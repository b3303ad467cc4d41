"""helm as a library (helm-python-sdk, which has helm's own engine): the objects that the chart makes."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from typing import Any

import pytest
import yaml

from charts.copies import CHART
from tests.manifests.rendered import Object

NAMESPACE = "nadmit-system"
_MUST_RUN = os.environ.get("NADMIT_NO_SKIPS") and platform.machine() == "x86_64"
needs_helm = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None and not _MUST_RUN,
    reason="helm-python-sdk is not installed: make venv (its wheels are for x86_64)",
)


def library() -> Any:
    """Return the module, which some machines do not have."""
    return importlib.import_module("helm_python")


def texts(values: dict[str, Any], *, namespace: str = NAMESPACE, upgrade: bool = False) -> dict[str, str]:
    """Return the text of each template; values must fit values.schema.json, as helm demands."""
    with library().Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        options = {"is_upgrade": True} if upgrade else {}
        found: dict[str, str] = chart.render(values, name="nadmit", namespace=namespace, **options)
    return {name.rpartition("/")[2]: text for name, text in found.items()}


def objects(values: dict[str, Any], *, namespace: str = NAMESPACE) -> list[Object]:
    """Return the objects of a release."""
    found = texts(values, namespace=namespace)
    notes = found.pop("NOTES.txt")
    assert notes
    return [value for text in found.values() for value in yaml.safe_load_all(text) if value]
