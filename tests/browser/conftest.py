"""One browser for all tests of the page, and a page for each cluster. Without chromium they are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.apiserver import ApiServer

from . import worlds
from .driving import CHROMIUM, DRIVER, HOW_TO, Page, Ui, browser, ui


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser. Each test opens what it needs."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(HOW_TO)
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        worlds.fill(server, worlds.demo())
        yield server


@pytest.fixture(scope="module")
def demo(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """`nadmit ui` on the small cluster."""
    directory = tmp_path_factory.mktemp("ui")
    with ui(directory, "--kubeconfig", worlds.kubeconfig_of(api, directory)) as started:
        yield started
