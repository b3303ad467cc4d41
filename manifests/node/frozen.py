"""The frozen form of the node bundle: one static program with CPython, the plugin and all modules that it needs.

It is linked from

    libpython3.11.a      the interpreter, of Debian's package libpython3.11-dev
    _ssl.c, _json.c      the modules that this library lacks (pythonsource.py)
    libssl.a, libcrypto.a, libz.a, libc.a
    program.c            the start
    the modules          as marshalled code, in the table that PyImport_FrozenModules points to

So a start needs one exec, no loader, no relocation and no file. The program is linked to a fixed address, as Debian's
own interpreter is: with another address at each start, 0.5 ms of each start would go into relocations. Names of hosts
are looked up in /etc/hosts and by DNS, by the libc in the program. OpenSSL reads no configuration of the host.

Bytecode is that of the interpreter in the library, so the interpreter of the same package compiles the modules
(freeze.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from buildtools import BundleError, run
from pythonsource import TREE, header_version, include_directory, source_version

PROGRAM = Path(__file__).with_name("program.c")
SNAPSHOT = PROGRAM.with_name("snapshot.c")
FREEZE = Path(__file__).with_name("freeze.py")

LEFT_OUT = ("_ctypes", "ctypes", "_hashlib", "zlib")
"""Modules without which the program does the same: `os` has `setns`, and `hashlib` its own digests."""

BOOTSTRAP = {"_frozen_importlib", "_frozen_importlib_external", "importlib._bootstrap", "zipimport"}
BOOTSTRAP |= {"importlib._bootstrap_external", "os.path"}
"""Modules that libpython itself contains as bytecode, and other names of such modules."""

ENTRY_POINTS = {"marshal": "PyMarshal_Init", "_warnings": "_PyWarnings_Init", "builtins": "NULL", "sys": "NULL"}
"""The functions of built-in modules that are not `PyInit_<name>`; CPython makes the last two by itself."""

COMPILED = {"_ssl": "_ssl.c", "_json": "_json.c"}
"""Modules that are compiled from the sources of the interpreter."""

COMPILE = (
    *("gcc", "-c", "-O2", "-DNDEBUG", "-fwrapv", "-fno-pie", "-fno-plt", "-Wall"),
    *("-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"),
)
LINK = (
    *("gcc", "-static", "-no-pie", "-s", "-Wl,--build-id=sha1", "-Wl,-z,relro,-z,now,-z,noexecstack"),
    *(f"-Wl,--wrap={name}" for name in ("_PyConfig_InitPathConfig", "_PyImportZip_Init")),
    *(f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "realloc", "free")),
    f"-Wl,-T,{SNAPSHOT.with_suffix('.ld')}",
)
LIBRARIES = ("ssl", "crypto", "z", "m")

INCLUDE_BLOB = """\
    .section .rodata
    .balign 16
    .global nadmit_code
nadmit_code:
    .incbin "modules.bin"
    .section .note.GNU-stack, "", %progbits
"""

WITHOUT_BLUETOOTH = """\
#include <pyconfig.h>
#undef HAVE_BLUETOOTH_BLUETOOTH_H
#undef HAVE_BLUETOOTH_H
#include "{name}"
"""
"""Debian's interpreter is built with the headers of Bluetooth. Only addresses of sockets depend on them."""


class Parts(NamedTuple):
    """The parts of the distribution from which the program is made."""

    python: Path
    include: Path
    library: Path
    stdlib: Path
    sources: Path
    builtin: frozenset[str]
    """The modules that are built into the interpreter."""


class Source(NamedTuple):
    """A module to freeze. `shown` is its path in tracebacks."""

    name: str
    path: str
    shown: str
    is_package: bool
    is_plugin: bool


class Entry(NamedTuple):
    """A frozen module: where its code is."""

    name: str
    offset: int
    size: int
    is_package: bool


class Program(NamedTuple):
    """What is known of a program that was built."""

    version: str
    modules: list[str]
    libraries: list[Path]
    files: dict[str, Path]
    """Other parts by the name to show, each with a file of the package whose notice applies."""


def find_parts(sources: Path = TREE) -> Parts:
    """Return the parts. `sources`: where pythonsource.py writes. Raises BundleError for the first missing part."""
    include = include_directory()
    python = Path("/usr/bin") / include.name
    library = next(Path("/usr/lib").glob(f"{include.name}/config-*/lib{include.name}.a"), None)
    if library is None or not python.exists():
        raise BundleError(
            f"there is no lib{include.name}.a or no {python}; on Debian: apt-get install libpython3-dev python3"
        )
    for name in LIBRARIES:
        find_library(name)
    wanted, found = header_version(include / "patchlevel.h"), source_version(sources).partition("-")[0]
    if wanted != found:
        raise BundleError(
            f"the sources of Python {wanted} are not there ({found or 'none'}); make packages fetches them"
        )
    code = "import json, sys, sysconfig; print(json.dumps([sysconfig.get_path('stdlib'), sys.builtin_module_names]))"
    stdlib, builtin = json.loads(run(str(python), "-I", "-S", "-c", code))
    return Parts(python, include, library, Path(stdlib), sources, frozenset(builtin))


def build(parts: Parts, modules: list[str], plugin: Path, target: Path, scratch: Path) -> Program:
    """Build the program. `modules`: those of the standard library; `plugin`: the directory of the package `cniplugin`.

    Raises BundleError.
    """
    built_in = [name for name in modules if name in parts.builtin]
    table = _freeze(parts, _sources_of(parts, modules, plugin), scratch)
    (scratch / "blob.s").write_text(INCLUDE_BLOB)
    (scratch / "tables.c").write_text(_render_tables([*built_in, *COMPILED], table))
    for name in COMPILED.values():
        (scratch / f"module{name}").write_text(WITHOUT_BLUETOOTH.format(name=name))
    objects = [
        _compile(parts, scratch, name)
        for name in ("blob.s", "tables.c", *(f"module{one}" for one in COMPILED.values()))
    ]
    objects += [_compile(parts, scratch, str(source)) for source in (PROGRAM, SNAPSHOT)]
    flags = [f"-l{name}" for name in LIBRARIES]
    run(*LINK, "-o", str(target), *objects, str(parts.library), *flags)
    libraries = [parts.library, *map(find_library, LIBRARIES)]
    notice = {
        f"{parts.include.name} {source_version(parts.sources)}/Modules/{name}": parts.library
        for name in COMPILED.values()
    }
    names = sorted({entry.name for entry in table if not entry.name.startswith("cniplugin")} | {*built_in, *COMPILED})
    return Program(header_version(parts.include / "patchlevel.h"), names, libraries, notice)


def _sources_of(parts: Parts, modules: list[str], plugin: Path) -> list[Source]:
    """Return the modules to freeze."""
    found = []
    for name in modules:
        if name in parts.builtin or name in COMPILED or name in BOOTSTRAP:
            continue
        path = parts.stdlib / name.replace(".", "/")
        source = next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)
        if source is None:
            raise BundleError(f"{name}: it is no module of {parts.library}, and frozen.py does not compile it")
        shown = str(source.relative_to(parts.stdlib))
        found.append(Source(name, str(source), shown, source.name == "__init__.py", is_plugin=False))
    for source in sorted(plugin.rglob("*.py")):
        relative = source.relative_to(plugin.parent)
        is_package = source.name == "__init__.py"
        name = ".".join((relative.parent if is_package else relative.with_suffix("")).parts)
        found.append(Source(name, str(source), f"nadmit/{relative}", is_package, is_plugin=True))
    return found


def _freeze(parts: Parts, sources: list[Source], scratch: Path) -> list[Entry]:
    """Write the code of all modules into one file; return where each is."""
    given = json.dumps({"modules": sources, "target": str(scratch / "modules.bin")})
    # Sets in constants are written in the order of their hashes.
    out = run("env", "-i", "PYTHONHASHSEED=0", str(parts.python), "-s", "-S", str(FREEZE), given=given)
    return [Entry(*entry) for entry in json.loads(out)]


def _render_tables(built_in: list[str], table: list[Entry]) -> str:
    """Return C with the tables of built-in modules (instead of that in libpython) and of frozen modules."""
    entries = {name: ENTRY_POINTS.get(name, f"PyInit_{name}") for name in built_in}
    declared = sorted({entry for entry in entries.values() if entry != "NULL"})
    lines = ["#include <Python.h>", *(f"extern PyObject *{entry}(void);" for entry in declared)]
    lines += [
        "struct _inittab _PyImport_Inittab[] = {",
        *(f'    {{"{name}", {entry}}},' for name, entry in entries.items()),
    ]
    lines += [
        "    {NULL, NULL}};",
        "extern const unsigned char nadmit_code[];",
        "const struct _frozen nadmit_modules[] = {",
    ]
    lines += [
        f'    {{.name = "{name}", .code = nadmit_code + {offset}, .size = {size}, .is_package = {int(is_package)}}},'
        for name, offset, size, is_package in table
    ]
    return "\n".join([*lines, "    {.name = NULL}};\n"])


def _compile(parts: Parts, scratch: Path, source: str) -> str:
    """Compile a file of the scratch directory, or program.c; return the path of the object."""
    target = scratch / f"{Path(source).stem}.o"
    modules = parts.sources / "Modules"
    places = (parts.include, parts.include / "internal", modules)
    names = {"-ffile-prefix-map": modules, "-fmacro-prefix-map": scratch}
    flags = [*(f"-I{place}" for place in places), *(f"{flag}={path}=." for flag, path in names.items())]
    # The assembler looks for modules.bin in its include path.
    private = ["-DPy_BUILD_CORE_BUILTIN"] if source.startswith("module") else []
    run(*COMPILE, *flags, *private, f"-Wa,-I{scratch}", "-o", str(target), str(scratch / source))
    return str(target)


def find_library(name: str) -> Path:
    """Return the static library that the linker takes for `-l<name>`. Raises BundleError."""
    found = run("gcc", f"-print-file-name=lib{name}.a").strip()
    if not Path(found).is_absolute():
        raise BundleError(f"there is no lib{name}.a; on Debian: apt-get install libssl-dev zlib1g-dev libc6-dev")
    return Path(found).resolve()
