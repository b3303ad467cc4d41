"""Takes the screenshots of docs/ui.md: `make screenshots`. The cluster is the small one of the tests."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.fakes.apiserver import ApiServer

from . import worlds
from .driving import CHROMIUM, HOW_TO, Page, browser, ui

PORT = 6443
"""The page names the API server."""


class Shot(NamedTuple):
    """One picture: the view, its heading, the theme, the height of the window, and words that come later."""

    name: str
    path: str
    heading: str
    theme: str
    height: int
    words: str = ""


SHOTS = (
    Shot("ui-map", "#/map", "Map", "light", 880),
    Shot("ui-map-dark", "#/map", "Map", "dark", 880),
    Shot("ui-network", "#/network/infra/storage", "storage", "light", 1180),
    Shot(
        "ui-can-attach",
        "#/can-attach?namespace=shop&network=infra%2Fstorage",
        "May pods attach?",
        "light",
        1040,
        "What the user reads",
    ),
    Shot("ui-findings", "#/findings", "Findings", "light", 900, "Taken at"),
    Shot("ui-pod-dark", "#/pod/media/encoder-0", "encoder-0", "dark", 1000),
)


def main(target: Path) -> int:
    """Write the pictures into a directory."""
    if CHROMIUM is None:
        print(HOW_TO, file=sys.stderr)
        return 1
    target.mkdir(parents=True, exist_ok=True)
    with ApiServer(port=PORT) as api, tempfile.TemporaryDirectory() as name:
        worlds.fill(api, worlds.demo())
        directory = Path(name)
        with (
            ui(directory, "--kubeconfig", worlds.kubeconfig_of(api, directory)) as started,
            browser(directory / "profile") as page,
        ):
            for shot in SHOTS:
                _take(page, started.url, shot, target / f"{shot.name}.png")
    return 0


def _take(page: Page, url: str, shot: Shot, file: Path) -> None:
    size = {"width": 1280, "height": shot.height, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.open(f"{url}{shot.path}")
    page.wait_for_heading(shot.heading)
    page.run("document.documentElement.dataset.theme = arguments[0]", shot.theme)
    page.run("dispatchEvent(new HashChangeEvent('hashchange'))")  # the picture takes its colours when it is drawn
    page.wait_for_heading(shot.heading)
    page.wait(lambda: page.run("return document.getElementById('live').textContent") == "live")
    page.run("document.activeElement.blur()")
    if shot.words:
        page.wait(lambda: shot.words in page.text)
    page.driver.save_screenshot(str(file))
    print(f"{file}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
