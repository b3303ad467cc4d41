"""The start of ADD: which modules it loads, and how long it takes until the first delegate runs."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest

from .bundles import PLACE, archive_of, extract, missing_part
from .test_footprint import FORBIDDEN, ROOT, STANDARD

NETNS = f"nadmit-start-{os.getpid()}"
OF_ADD = {"_socket", "_struct", "struct"}
"""The modules of the standard library that only ADD needs, without an API server."""
START_MAX = 1.75
"""The time from interpreter start to the first delegate, in starts of a bare interpreter. Measured: 1.3 to 1.45."""
FROZEN_MAX = 1.75
"""The time from the start of the frozen program to the first delegate, in the same unit. Measured: 1.1 to 1.3. The
interpreter and modules on disk need 2.3 to 2.45, with the start of the interpreter."""
ROUNDS_MAX = 150

DELEGATE = """#!/bin/sh
date +%s%N >{when}
echo '{{"cniVersion": "1.0.0"}}'
"""
STUB = "#!{python} -IS\nimport sys\nsys.path.insert(0, {lib!r})\nfrom cniplugin.__main__ import {run}\n{then}\n"
TELL = 'main()\nprint(*sorted(sys.modules), file=open({loaded!r}, "w"))'


class World:
    """A namespace, a delegate that records when it ran, and the plugin, precompiled as in a bundle."""

    def __init__(self, folder: Path) -> None:
        self.when, self.loaded = folder / "when", folder / "loaded"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.fake = self._program(self.bin / "fake", DELEGATE.format(when=self.when))
        lib = folder / "lib"
        shutil.copytree(Path(ROOT) / "cniplugin", lib / "cniplugin", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(lib, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        python = os.path.realpath(sys.executable)
        stub = STUB.format(python=python, lib=str(lib), run="process", then="process()")
        self.plugin = self._program(folder / "nadmit", stub)
        tell = STUB.format(python=python, lib=str(lib), run="main", then=TELL.format(loaded=str(self.loaded)))
        self.telling = self._program(folder / "telling", tell)
        self.bare = [python, "-IS", "-c", "pass"]
        delegate = {"cniVersion": "1.0.0", "name": "net", "type": "fake"}
        conf = {"cniVersion": "1.0.0", "name": "pods", "type": "nadmit", "delegates": [delegate]}
        self.conf = json.dumps({**conf, "recordDir": str(folder / "records"), "logFile": "", "logToStderr": False})

    def _program(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o755)
        return path

    def call(self, program: Path, command: str) -> None:
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": f"/run/netns/{NETNS}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.bin),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run([program], env=environ, input=self.conf.encode(), capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

    def ms_until_delegate(self, program: Path) -> float:
        started = time.time_ns()
        self.call(program, "ADD")
        return (int(self.when.read_text()) - started) / 1e6


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    subprocess.run(["ip", "netns", "add", NETNS], check=True)
    try:
        yield World(tmp_path)
    finally:
        subprocess.run(["ip", "netns", "delete", NETNS], check=True)


@pytest.mark.root
def test_the_modules_that_add_loads(world: World) -> None:
    world.call(world.telling, "ADD")
    names = set(world.loaded.read_text().split())
    bare = subprocess.run(
        [*world.bare[:-1], "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    others = {name for name in names - set(bare.stdout.split()) if not name.startswith("cniplugin")}
    assert not others & FORBIDDEN
    assert others - STANDARD == OF_ADD
    assert (
        not {
            "cniplugin.cluster.kubeapi",
            "cniplugin.cluster.kubeyaml",
            "cniplugin.access.reading.policies",
            "cniplugin.attach.devices",
        }
        & names
    )


@pytest.mark.root
@pytest.mark.slow
def test_the_first_delegate_runs_soon(world: World) -> None:
    """Compares the best of many starts with the best of a bare interpreter and of the delegate alone, in turn.

    NB: a slow or busy machine makes all of them longer, so the limit is their ratio. More rounds are run until the best
    ones are below it.
    """
    bare = alone = ours = float("inf")
    for _ in range(ROUNDS_MAX):
        started = time.perf_counter()
        subprocess.run(world.bare, check=True)
        bare = min(bare, (time.perf_counter() - started) * 1e3)
        alone = min(alone, world.ms_until_delegate(world.fake))
        ours = min(ours, world.ms_until_delegate(world.plugin))
        world.call(world.plugin, "DEL")
        if ours - alone - bare <= START_MAX * bare:
            return
    pytest.fail(f"{ours:.1f} ms until the delegate ran; bare interpreter {bare:.1f}, delegate alone {alone:.1f}")


@pytest.mark.slow
@pytest.mark.skipif(bool(missing_part()), reason="the form `frozen` cannot be built here; test_frozen.py says why")
def test_the_frozen_program_runs_it_sooner(
    world: World, node_bundle: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As above; here the start of the interpreter is part of the time."""
    root = extract(archive_of("frozen", node_bundle, tmp_path_factory), tmp_path / "root")
    program = root / PLACE / "nadmit/bin/nadmit"
    bare = alone = ours = float("inf")
    for _ in range(ROUNDS_MAX):
        started = time.perf_counter()
        subprocess.run(world.bare, check=True)
        bare = min(bare, (time.perf_counter() - started) * 1e3)
        alone = min(alone, world.ms_until_delegate(world.fake))
        ours = min(ours, world.ms_until_delegate(program))
        world.call(program, "DEL")
        if ours - alone <= FROZEN_MAX * bare:
            return
    pytest.fail(f"{ours:.1f} ms until the delegate ran; bare interpreter {bare:.1f}, delegate alone {alone:.1f}")
