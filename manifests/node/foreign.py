"""Build the node bundle for another architecture: `python manifests/node/foreign.py MACHINE [DIRECTORY]`.

`make node-bundle ARCH=aarch64` runs it on x86_64. The result is as bundle.py describes it, with three differences:

- The interpreter, its extension modules and all libraries are those of Debian's packages (images/debian.py), which are
  unpacked and not installed. The notices come from the same packages.
- The modules of the standard library are compiled from the sources in these packages, by this interpreter. Bytecode is
  the same for all architectures and in all releases of one minor version, so both must have the same minor version.
- The launcher is linked by Debian's cross compiler.

Nothing of the other architecture runs here. What cannot be tried is read from the ELF files instead: which libraries
they need, and which modules the interpreter contains.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from buildtools import BundleError, run
from bundle import (
    LAUNCHER,
    MAIN,
    SOURCES,
    _compile,
    find_modules,
    write_archive,
)
from contents import Owner, distribution, owner
from licences import LicenceError, add_common_licences, add_licences, static_libraries

from images import debian
from images.machines import BuildError, Machine, machine
from images.parts import PARTS, folder_of
from images.release import check_interpreter, version
from requirements.image import PYTHON


def main() -> int:
    """Build the archive and print its path."""
    directory = Path(sys.argv[2]) if len(sys.argv) > 2 else SOURCES / "dist"
    try:
        archive, size = build(machine(sys.argv[1]), directory, PARTS)
    except (BuildError, BundleError, LicenceError) as error:
        sys.stderr.write(f"bundle: {error}\n")
        return 1
    packed = archive.stat().st_size
    sys.stdout.write(f"{archive}: {packed / 1e6:.1f} MB, unpacked {size / 1e6:.1f} MB\n")
    return 0


def build(machine: Machine, directory: Path, parts: Path) -> tuple[Path, int]:
    """Write the archive for an architecture into a directory; return its path and the unpacked size in bytes.

    Raises BuildError if parts are missing, BundleError if something does not fit, and LicenceError for a part without a
    notice.
    """
    check_interpreter()
    packages = debian.read_packages(folder_of("debian", machine, parts))
    with tempfile.TemporaryDirectory() as scratch:
        root, top = Path(scratch) / "root", Path(scratch) / "nadmit"
        for package in packages:
            debian.unpack(package, root)
        modules = find_modules()
        programs = _add_python(root, top, modules)
        _add_plugin(top, Path(scratch))
        libraries = _add_libraries(root, machine, programs, top / "lib")
        linked = _add_launcher(machine, top / "bin/nadmit", Path(scratch))
        about = {
            "name": "nadmit",
            "version": version(),
            "form": "modules",
            "arch": machine.name,
            "python": _python_version(packages),
            "libc": f"glibc {_upstream(packages, 'libc6')}",
            "libraries": [f"/{path.relative_to(root)}" for path in libraries],
            "modules": modules,
            **_add_notices(root, [*programs, *libraries], linked, packages, top / "licences"),
        }
        return write_archive(top, about, directory)


def _add_python(root: Path, top: Path, modules: list[str]) -> list[Path]:
    """Copy the interpreter and its extension modules, and compile the others; return the originals of the ELF files."""
    stdlib, target = root / f"usr/lib/python{PYTHON}", top / f"lib/python{PYTHON}"
    (target / "lib-dynload").mkdir(parents=True)
    (top / "bin").mkdir()
    interpreter = root / f"usr/bin/python{PYTHON}"
    shutil.copy(interpreter, top / "bin/python3")
    programs = [interpreter]
    built_in = set(re.findall(r"\bPyInit_(\w+)", run("readelf", "--wide", "--dyn-syms", str(interpreter))))
    for name in modules:
        source = _source(stdlib, name)
        extension = next((stdlib / "lib-dynload").glob(f"{name}.cpython-*.so"), None)
        if source is not None:
            relative = source.relative_to(stdlib)
            _compile(source, target / relative.with_suffix(".pyc"), str(relative))
        elif extension is not None:
            shutil.copy(extension, target / "lib-dynload" / extension.name)
            programs.append(extension)
        elif _is_extension_here(name) and name not in built_in:
            raise BundleError(f"{interpreter}: it has no module {name}")
    return programs


def _source(stdlib: Path, name: str) -> Path | None:
    path = stdlib / name.replace(".", "/")
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def _is_extension_here(name: str) -> bool:
    """Say whether a module is a file of this interpreter. Modules in its binary are in that of every CPython."""
    spec = None if name in sys.builtin_module_names else importlib.util.find_spec(name)
    return spec is not None and bool(spec.origin) and str(spec.origin).endswith(".so")


def _add_plugin(top: Path, scratch: Path) -> None:
    for source in sorted((SOURCES / "cniplugin").rglob("*.py")):
        relative = source.relative_to(SOURCES)
        _compile(source, top / f"lib/python{PYTHON}" / relative.with_suffix(".pyc"), f"nadmit/{relative}")
    entry = scratch / "main.py"
    entry.write_text(MAIN)
    _compile(entry, top / "main.pyc", "nadmit/main.py")


def _add_libraries(root: Path, machine: Machine, programs: list[Path], target: Path) -> list[Path]:
    """Copy the loader and all shared libraries; return the originals."""
    folders = [root / "lib" / machine.triplet, root / "usr/lib" / machine.triplet]
    found: dict[str, Path] = {}
    waiting = list(programs)
    while waiting:
        for name in _needed(waiting.pop()):
            if name not in found:
                place = next((folder / name for folder in folders if (folder / name).exists()), None)
                if place is None:
                    raise BundleError(f"{name}: this shared library is in none of the packages of images/debian.py")
                found[name] = place.resolve()
                waiting.append(found[name])
    for name, path in found.items():
        shutil.copy(path, target / name)
    # The loader is a library that libc needs. The launcher starts it as ld.so, the libraries need it by its own name.
    (loader,) = (name for name in found if name.startswith("ld-linux"))
    (target / loader).rename(target / "ld.so")
    (target / loader).symlink_to("ld.so")
    (target / "ld.so").chmod(0o755)
    return sorted(found.values())


def _needed(program: Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "--wide", "--dynamic", str(program)))


def _add_launcher(machine: Machine, target: Path, scratch: Path) -> list[Path]:
    """Link the launcher; return the libraries that are in it."""
    compiler = f"{machine.triplet}-gcc"
    if shutil.which(compiler) is None:
        names = f"gcc-{machine.triplet.replace('_', '-')} libc6-dev-{machine.debian}-cross"
        raise BundleError(f"{compiler} is not there; on Debian: apt-get install {names}")
    source = scratch / "launcher.c"
    source.write_text(LAUNCHER)
    run(compiler, "-static", "-Os", "-s", "-Wall", "-Werror", "-o", str(target), str(source))
    return static_libraries(compiler)


def _add_notices(
    root: Path, shipped: list[Path], linked: list[Path], packages: list[debian.Package], target: Path
) -> dict[str, object]:
    """Write the notices; return what the bundle says about its parts: the notice of each file, and the packages."""
    licences = add_licences(SOURCES / "LICENSE", linked, target)
    owners = [owner(name) for name in sorted({name.removesuffix(".txt") for name in licences.values()})]
    by_file = {path: package for package in packages for path in _files(package)}
    used = {f"/{path.relative_to(root)}": by_file[f"/{path.relative_to(root)}"] for path in shipped}
    for package in set(used.values()):
        text = (root / "usr/share/doc" / package.name / "copyright").read_text(errors="replace")
        (target / f"{package.name}.txt").write_text(text)
        add_common_licences(text, target, package.name)
        owners.append(Owner(package.name, package.version, package.architecture, f"{package.name}.txt", package.sha256))
    return {
        "distribution": distribution(),
        "packages": [one.fields() for one in sorted(owners)],
        "licences": dict(sorted({**licences, **{path: f"{one.name}.txt" for path, one in used.items()}}.items())),
    }


def _files(package: debian.Package) -> list[str]:
    listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", package.path], capture_output=True, check=True).stdout
    names = subprocess.run(["tar", "--list"], input=listing, capture_output=True, check=True).stdout.decode()
    return [name.removeprefix(".") for name in names.splitlines()]


def _python_version(packages: list[debian.Package]) -> str:
    return _upstream(packages, f"python{PYTHON}-minimal")


def _upstream(packages: list[debian.Package], name: str) -> str:
    """Return the version of a package without that of its packaging."""
    (found,) = (package.version for package in packages if package.name == name)
    return found.rpartition("-")[0].rpartition(":")[2]


if __name__ == "__main__":
    sys.exit(main())
