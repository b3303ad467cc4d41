"""Build the node bundle: `python manifests/node/bundle.py [DIRECTORY [FORM]]`, which `make node-bundle` runs.

The result, `nadmit-node-<version>-<arch>.tar.gz`, has one of two forms. The form `frozen` is one static program
(frozen.py) and starts in half of the time. It needs parts that few machines have. The form `modules` needs any
CPython. Without a FORM, `frozen` is built where its parts are there, else `modules`, and stderr says why. Both unpack
to

    nadmit/bin/nadmit            the CNI executable
    nadmit/bin/passthru          a link to it: the plugin by another name
    nadmit/licences/             the notices of all parts (licences.py)
    nadmit/nadmit-bundle.json    form, version, architecture, the sources of the parts, and the notice of each

In the form `modules`, `bin/nadmit` is a static launcher of 40 lines of C, below, and there are

    nadmit/bin/python3           this interpreter
    nadmit/lib/                  the loader, libc and the shared libraries that the interpreter and its modules need
    nadmit/lib/python3.x/        the modules of the standard library that the plugin can load, and the plugin

A bundle runs from any directory, without a Python, a libc or a shell of the host. A dynamic program contains the
absolute path of its loader, by which the kernel starts it. A bundle that can be moved cannot have such a path
(patchelf can change the path, but it stays absolute). So the launcher finds its own directory and starts the loader
of the bundle, which takes the program and the library path as arguments (ld.so(8)). The archive is for the architecture
of this machine; foreign.py builds it for another one.

The modules of the standard library are not listed here. A bare interpreter executes each import statement of
`cniplugin`, including the lazy ones, and the modules that it has then loaded are copied. All are compiled to
unchecked pycs (PEP 552) without sources, so that Python neither checks the dates of files nor writes files at the
start.
"""

from __future__ import annotations

import ast
import gzip
import importlib.util
import io
import json
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import frozen
from buildtools import BundleError
from buildtools import run as _run
from contents import contents
from licences import LicenceError, add_licences, static_libraries

SOURCES = Path(__file__).resolve().parents[2]
MARK = "nadmit-bundle.json"
BYTES_MAX = 30_000_000
"""The Multus binary has 69 MB, its shim 52 MB."""

ENCODINGS = ("ascii", "latin_1", "utf_8")
"""Encodings that Python loads by name, for the streams. Host names go to the resolver as bytes, without `idna`."""

LEFT_OUT = ("bz2", "lzma", "_bz2", "_lzma", "_compression", "tracemalloc")
"""Modules that their importers can do without: archives of shutil, allocation traces of warnings."""

LAUNCHER = r"""
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* CNI 1.1 section 5: an error is JSON on stdout, and exit code 1. */
static int fail(const char *what) {
    printf("{\"cniVersion\":\"1.0.0\",\"code\":999,\"msg\":\"nadmit: the bundle cannot be started: %s\"}\n", what);
    return 1;
}

int main(int argc, char **argv) {
    char self[PATH_MAX], loader[PATH_MAX + 32], library[PATH_MAX + 32], python[PATH_MAX + 32], program[PATH_MAX + 32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = 0;
    } else { /* without /proc: the path that was executed */
        const char *executed = (const char *)getauxval(AT_EXECFN);
        if (!executed || !realpath(executed, self)) return fail("its own path is not known");
    }
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(self, '/');
        if (!slash) return fail("its own path is not known");
        *slash = 0;
    }
    sprintf(loader, "%s/lib/ld.so", self);
    sprintf(library, "%s/lib", self);
    sprintf(python, "%s/bin/python3", self);
    sprintf(program, "%s/main.pyc", self);
    /* main.pyc removes itself from sys.argv, so that the next argument is sys.argv[0]. */
    char *head[] = {loader, "--inhibit-cache", "--library-path", library, "--argv0", python, python,
                    "-I", "-S", "-B", "-X", "utf8", program, argc ? argv[0] : python};
    size_t count = sizeof head / sizeof *head;
    char **arguments = calloc(count + argc + 1, sizeof *arguments);
    if (!arguments) return fail("no memory");
    memcpy(arguments, head, sizeof head);
    for (int index = 1; index < argc; index++) arguments[count + index - 1] = argv[index];
    execv(loader, arguments);
    return fail("its loader is missing");
}
"""

MAIN = """\
import sys

from cniplugin.__main__ import process

del sys.argv[0]
process()
"""

TRACE = """\
import importlib, json, sys
given = json.load(sys.stdin)
for name in given["left_out"]:
    sys.modules[name] = None
for name in given["modules"]:
    importlib.import_module(name)
print(json.dumps([name for name, module in sys.modules.items() if module is not None and name != "__main__"]))
"""


def main() -> int:
    """Build the archive and print its path."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCES / "dist"
    form = sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        archive, size = build(directory, form)
    except (BundleError, LicenceError) as error:
        sys.stderr.write(f"bundle: {error}\n")
        return 1
    packed = archive.stat().st_size
    sys.stdout.write(f"{archive}: {packed / 1e6:.1f} MB, unpacked {size / 1e6:.1f} MB\n")
    return 0


def build(directory: Path, form: str = "") -> tuple[Path, int]:
    """Write the archive into a directory; return its path and the unpacked size in bytes.

    Raises BundleError, and LicenceError for a part without a notice.
    """
    version = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]["version"]
    form = form or _best_form()
    if form not in FORMS:
        raise BundleError(f"{form}: this is not a form of a bundle; allowed: {', '.join(FORMS)}")
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / "nadmit"
        (top / "bin").mkdir(parents=True)
        parts = FORMS[form](top, Path(scratch))
        about = {"name": "nadmit", "version": version, "form": form, "arch": platform.machine()}
        about |= {**parts, **contents(parts["licences"])}
        return write_archive(top, about, directory)


def write_archive(top: Path, about: dict[str, Any], directory: Path) -> tuple[Path, int]:
    """Complete a bundle and pack it; return the archive and the unpacked size in bytes. `about`: nadmit-bundle.json.

    Raises BundleError if it is too large.
    """
    (top / "bin/passthru").symlink_to("nadmit")
    (top / MARK).write_text(json.dumps(about, indent=1) + "\n")
    size = sum(path.stat().st_size for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    if size > BYTES_MAX:
        raise BundleError(f"it has {size} bytes; allowed: {BYTES_MAX}")
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"nadmit-node-{about['version']}-{about['arch']}.tar.gz"
    _pack(top, archive)
    return archive, size


def _best_form() -> str:
    try:
        frozen.find_parts()
    except BundleError as error:
        sys.stderr.write(f"bundle: the form is `modules`, which starts more slowly than `frozen`: {error}\n")
        return "modules"
    return "frozen"


def _add_frozen(top: Path, scratch: Path) -> dict[str, Any]:
    """Build the program and its notices; return what nadmit-bundle.json says about the parts."""
    parts = frozen.find_parts()
    modules = find_modules(str(parts.python), (*LEFT_OUT, *frozen.LEFT_OUT))
    program = frozen.build(parts, modules, SOURCES / "cniplugin", top / "bin/nadmit", scratch)
    linked = {*program.libraries, *static_libraries()}
    licences = add_licences(SOURCES / "LICENSE", [parts.stdlib / "os.py", *linked], top / "licences")
    licences |= {name: licences[str(path)] for name, path in program.files.items()}
    return {
        "python": program.version,
        "libc": " ".join(platform.libc_ver(str(parts.python))),
        "libraries": sorted(map(str, linked)),
        "modules": program.modules,
        "licences": licences,
    }


def _add_modules(top: Path, scratch: Path) -> dict[str, Any]:
    """Copy the interpreter and add modules, libraries, launcher and notices; return as `_add_frozen`."""
    library = top / "lib" / f"python{sysconfig.get_python_version()}"
    extensions = library / "lib-dynload"
    extensions.mkdir(parents=True)
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    _copy_program(interpreter, top / "bin/python3")
    modules = find_modules()
    for name in modules:
        _add_module(name, library, extensions)
    for source in sorted((SOURCES / "cniplugin").rglob("*.py")):
        relative = source.relative_to(SOURCES)
        _compile(source, library / relative.with_suffix(".pyc"), f"nadmit/{relative}")
    entry = scratch / "main.py"
    entry.write_text(MAIN)
    _compile(entry, top / "main.pyc", "nadmit/main.py")
    libraries = _add_libraries(interpreter, _origins(extensions), top / "lib")
    _add_launcher(top / "bin/nadmit", scratch)
    shipped = [interpreter, Path(os.__file__), *map(Path, libraries), *_origins(extensions), *static_libraries()]
    return {
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "libraries": libraries,
        "modules": modules,
        "licences": add_licences(SOURCES / "LICENSE", shipped, top / "licences"),
    }


FORMS = {"frozen": _add_frozen, "modules": _add_modules}
"""By the name of the form: the function that adds its parts."""


def find_modules(python: str = sys.executable, left_out: tuple[str, ...] = LEFT_OUT) -> list[str]:
    """Return the modules of the standard library that the plugin can load, sorted, including those in the binary.

    `python`: the interpreter that loads them. `left_out`: those that it gets without.
    """
    imported = {f"encodings.{name}" for name in ENCODINGS}
    for source in (SOURCES / "cniplugin").rglob("*.py"):
        for node in _imports(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif not node.level and node.module:
                imported.add(node.module)
    imported = {name for name in imported if name.partition(".")[0] not in {"__future__", "cniplugin", *left_out}}
    given = json.dumps({"modules": sorted(imported), "left_out": left_out})
    command = [python, "-I", "-S", "-c", TRACE]
    out = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    return sorted({*json.loads(out), "__future__", "os"})


def _imports(node: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """Return the import statements below a node, except those under TYPE_CHECKING."""
    found: list[ast.Import | ast.ImportFrom] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            found.append(child)
        found += _imports(child)
    return found


def _add_module(name: str, library: Path, extensions: Path) -> None:
    """Copy an extension module, or compile a Python module. Built-in modules need nothing."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    path = stdlib / name.replace(".", "/")
    for source in (path.with_suffix(".py"), path / "__init__.py"):
        if source.is_file():
            relative = source.relative_to(stdlib)
            _compile(source, library / relative.with_suffix(".pyc"), str(relative))
            return
    spec = None if name in sys.builtin_module_names else importlib.util.find_spec(name)
    if spec is not None and spec.origin and spec.origin.endswith(".so"):
        _copy_program(Path(spec.origin), extensions / Path(spec.origin).name)


def _compile(source: Path, target: Path, shown: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), dfile=shown, doraise=True, invalidation_mode=mode)


def _origins(extensions: Path) -> list[Path]:
    """Return the original files of the copies in the directory of extension modules."""
    names = sorted(path.name.partition(".")[0] for path in extensions.iterdir())
    return [Path(str(importlib.util.find_spec(name).origin)) for name in names]  # type: ignore[union-attr]  # found before


def _add_libraries(interpreter: Path, programs: list[Path], target: Path) -> list[str]:
    """Copy the loader and all shared libraries; return the paths of the originals."""
    found: dict[str, Path] = {}
    loaders = set()
    for program in (interpreter, *programs):
        out = _run("ldd", str(program))
        if "not found" in out:
            raise BundleError(f"{program}: a shared library is missing: {out.strip()}")
        found |= {name: Path(path) for name, path in re.findall(r"^\s*(\S+) => (/\S+)", out, re.MULTILINE)}
        loaders |= set(re.findall(r"^\s*(/\S+)", out, re.MULTILINE))
    if len(loaders) != 1:
        raise BundleError(f"{interpreter}: no single loader: {sorted(loaders)}; a glibc system is needed")
    found["ld.so"] = Path(loaders.pop())
    for name, path in found.items():
        _copy_program(path.resolve(), target / name)
    # libc links to the loader by its name.
    loader = found["ld.so"].name
    (target / loader).symlink_to("ld.so")
    return sorted(str(path) for path in found.values())


def _copy_program(source: Path, target: Path) -> None:
    """Copy an ELF file without the symbols for debuggers and linkers."""
    shutil.copy(source, target)
    target.chmod(0o755)
    _run("strip", "--strip-unneeded", str(target))


def _add_launcher(target: Path, scratch: Path) -> None:
    source = scratch / "launcher.c"
    source.write_text(LAUNCHER)
    _run("gcc", "-static", "-Os", "-s", "-Wall", "-Werror", "-o", str(target), str(source))


def _pack(top: Path, archive: Path) -> None:
    """Write a reproducible archive: sorted, without dates, owned by root."""

    def bare(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "root", "root"
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in (top, *sorted(top.rglob("*"))):
            tar.add(path, str(path.relative_to(top.parent)), recursive=False, filter=bare)
    archive.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))


if __name__ == "__main__":
    sys.exit(main())
