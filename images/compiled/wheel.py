"""Build the wheel with compiled modules: `python -m images.compiled.wheel`, which `make compiled-wheel` runs.

It has the name, the version and all files of the plain wheel, and beside the sources of `modules.MODULES` what mypyc
and the C compiler made of them. It is for one minor version of CPython and one architecture, as its file name says.
Python loads a compiled module before the source beside it; the sources are there for tracebacks.

Exit status: 0 if the wheel was written, 1 if it cannot be built, 2 for a wrong option.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from images.machines import BuildError
from images.projectwheel import build_from, copy_sources
from requirements.image import ROOT

from .modules import MODULES, refuse

OPTIMIZE = "2"
"""-O3 takes longer to compile and gains nothing that can be measured."""
SETUP = """\
import resource
import sys

from mypyc.build import mypycify
from setuptools import setup

# The compiler walks the code by recursion.
resource.setrlimit(resource.RLIMIT_STACK, (resource.getrlimit(resource.RLIMIT_STACK)[1],) * 2)
sys.setrecursionlimit(20_000)
setup(
    ext_modules=mypycify(
        ["--config-file=mypy.ini", *{modules!r}], opt_level={level!r}, debug_level="0", group_name="nadmit"
    )
)
"""
MYPY = "[mypy]\nstrict = true\nfollow_untyped_imports = true\ncache_dir = {cache}\n"
"""As in pyproject.toml, without the packages that are not compiled."""


def main(arguments: list[str] | None = None) -> int:
    """Build the wheel, and print its path and size."""
    parser = argparse.ArgumentParser(prog="images.compiled.wheel", description="Build the wheel with compiled modules.")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "dist", help="the directory for the wheel (default: dist)"
    )
    given = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            built = build(Path(scratch))
            given.output.mkdir(parents=True, exist_ok=True)
            target = Path(shutil.copy(built, given.output))
    except BuildError as error:
        sys.stderr.write(f"compiled wheel: {error}\n")
        return 1
    sys.stdout.write(f"{target}: {target.stat().st_size / 1e6:.1f} MB\n")
    return 0


def missing_tools() -> str:
    """Return what this machine lacks for compiling, in words; "" if it lacks nothing."""
    if importlib.util.find_spec("mypyc") is None:
        return "mypyc is not installed: make venv"
    compiler = compiler_name()
    if shutil.which(compiler) is None:
        return f"there is no C compiler {compiler!r}: install gcc and libc6-dev"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"there is no {header}: install the headers of Python, on Debian python3-dev"
    return ""


def compiler_name() -> str:
    """Return the C compiler that setuptools will call."""
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]


def build(scratch: Path, modules: tuple[str, ...] = MODULES, *, optimize: str = OPTIMIZE) -> Path:
    """Build the wheel in a directory; return its path.

    Raises BuildError if tools are missing or a module cannot be compiled.
    """
    missing = missing_tools()
    if missing:
        raise BuildError(missing)
    sources = scratch / "compiled-sources"
    copy_sources(sources)
    refuse(sources, modules)
    (sources / "setup.py").write_text(SETUP.format(modules=list(modules), level=optimize))
    (sources / "mypy.ini").write_text(MYPY.format(cache=scratch / "mypy-cache"))
    flags = f"{os.environ.get('CFLAGS', '')} -ffile-prefix-map={scratch}=."  # no path of this machine in the modules
    return build_from(sources, scratch / "compiled", CFLAGS=flags.strip())


if __name__ == "__main__":
    sys.exit(main())
