"""Build the image of the webhook: `python -m images.webhook MACHINE...`, which `make webhook-image` runs.

The image has no base. Its layers, from what changes least to what changes most:

1. Debian's interpreter, libc and libraries (debian.PACKAGES), without documentation, but with all notices;
2. the packages of requirements/image.txt in a virtual environment, /opt/nadmit;
3. this project, and its command /opt/nadmit/bin/nadmit; in the compiled form (`compiled`) if that is asked for.

There is no shell and no package manager. All modules are compiled to unchecked pycs (PEP 552), because the file system
is read-only when the image runs. Bytecode is the same for all architectures, so no code of another one runs here. It is
the same in all releases of one minor version of Python, so this program needs the minor version of the image.
"""

from __future__ import annotations

import argparse
import compileall
import platform
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

from requirements.image import PYTHON, ROOT

from . import debian, projectwheel, release, wheels
from .compiled import wheel as compiled
from .layers import Layer, layer_of
from .machines import BuildError, Machine, machine
from .oci import Image
from .parts import PARTS, folder_of
from .sbom import Part, debian_part, project_part, wheel_part

TITLE = "nadmit-webhook"
FORMS = COMPILED, PLAIN = "compiled", "plain"
WHEELS: dict[str, Callable[[Path], Path]] = {COMPILED: compiled.build, PLAIN: projectwheel.build_plain}
USER = 65532
"""A number, so that the kubelet can see that the user is not root. `manifests/base/deployment.yaml` has it as well."""
CONFIG = {
    "User": f"{USER}:{USER}",
    "ExposedPorts": {"8443/tcp": {}, "8080/tcp": {}},
    "Env": ["PATH=/opt/nadmit/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"],
    "Entrypoint": ["nadmit"],
    "Cmd": ["serve", "--help"],
    "WorkingDir": "/",
}
SITE_PACKAGES = f"opt/nadmit/lib/python{PYTHON}/site-packages"
STDLIB = f"usr/lib/python{PYTHON}"

KEPT = (
    "lib",
    "lib64",
    "usr/lib",
    "usr/bin/python*",
    "usr/share/common-licenses",
    "usr/share/doc/*/copyright",
    "etc/os-release",
    "etc/python*",
)
"""What the image has of Debian's packages; the rest is documentation, and configuration of what is not there."""
LEFT_OUT = (
    "usr/lib/*/gconv",  # encodings of libc; Python has its own
    "usr/lib/*/audit",
    f"{STDLIB}/idlelib",
    f"{STDLIB}/lib2to3",
    f"{STDLIB}/pydoc_data",
)
"""What is left out all the same."""
MODULES_LEFT_OUT = (
    *("_curses", "_curses_panel", "_dbm", "_sqlite3", "nis", "readline"),  # their libraries are not in the image
    *("_ctypes_test", "_test*", "_xxtest*", "xx*"),  # for tests of Python
)
"""Extension modules of Python that are left out."""
ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/:/nonexistent\nnadmit:x:{USER}:{USER}:nadmit:/:/nonexistent\n",
    "etc/group": f"root:x:0:\nnadmit:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
ENVIRONMENT = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
COMMAND = """\
#!/opt/nadmit/bin/python
import sys

from {module} import {function}

sys.exit({function}())
"""


def main() -> int:
    """Build the archive, and print the paths of what was written."""
    parser = argparse.ArgumentParser(prog="images.webhook")
    parser.add_argument("--name", default=f"{TITLE}:{release.version()}")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--parts", type=Path, default=PARTS)
    parser.add_argument("machines", nargs="+", metavar="MACHINE")
    parser.add_argument(
        "--form",
        choices=FORMS,
        default=PLAIN,
        help="compiled: machine code for the reviews, only for the architecture of this machine; plain: Python alone "
        "(default: %(default)s)",
    )
    given = parser.parse_args()
    try:
        machines = [machine(name) for name in given.machines]
        forms = {one: _form(one, given.form) for one in machines}
        written = build(machines, given.output, given.name, given.parts, forms=forms)
    except BuildError as error:
        sys.stderr.write(f"webhook image: {error}\n")
        return 1
    sys.stdout.write("".join(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n" for path in written))
    return 0


def _form(machine: Machine, wanted: str) -> str:
    """Return the form of the project in an image.

    Raises BuildError if the compiled form was asked for and cannot be built.
    """
    if wanted == PLAIN:
        return PLAIN
    if machine.name == platform.machine():
        missing = compiled.missing_tools()
    else:
        missing = f"this machine is {platform.machine()}, and modules are compiled for it alone"
    if missing:
        raise BuildError(f"--form {wanted} for {machine.name}: {missing}; or leave --form out")
    return COMPILED


def build(
    machines: list[Machine], directory: Path, name: str, parts: Path = PARTS, *, forms: dict[Machine, str] | None = None
) -> list[Path]:
    """Write the image for some architectures; the form of the project is plain if `forms` does not name another.

    Raises BuildError if parts are missing, the Python does not fit, or a module cannot be compiled.
    """
    release.check_interpreter()
    label = release.label(name, TITLE)
    for one in machines:
        # Compiling takes minutes, so parts that are missing are named before.
        debian.read_packages(folder_of("debian", one, parts))
        wheels.read_wheels(folder_of("wheels", one, parts))
    with tempfile.TemporaryDirectory() as scratch:
        wanted = {machine: (forms or {}).get(machine, PLAIN) for machine in machines}
        own = {form: WHEELS[form](Path(scratch)) for form in sorted(set(wanted.values()))}
        built = [_image(machine, parts, own[wanted[machine]], Path(scratch) / machine.name) for machine in machines]
    return release.write(directory, label, [image for image, _ in built], [found for _, found in built])


def _image(machine: Machine, parts: Path, own: Path, scratch: Path) -> tuple[Image, list[Part]]:
    """Return the image for an architecture, and its parts."""
    packages = debian.read_packages(folder_of("debian", machine, parts))
    found = wheels.read_wheels(folder_of("wheels", machine, parts))
    system = scratch / "system"
    distribution = _add_system(system, packages)
    layers = (
        _compiled(system, STDLIB, "Debian's interpreter and libraries"),
        _packages_layer(scratch / "packages", found),
        _project_layer(scratch / "project", own),
    )
    contents = [
        *(debian_part(package, distribution, f"/usr/share/doc/{package.name}/copyright") for package in packages),
        *(wheel_part(wheel) for wheel in found),
        project_part(release.version()),
    ]
    return Image(machine, layers, CONFIG), contents


def _add_system(tree: Path, packages: list[debian.Package]) -> str:
    """Unpack the packages of Debian, without what the image does not need; return the name of the distribution."""
    whole = tree.with_name("unpacked")
    for package in packages:
        debian.unpack(package, whole)
    for pattern in LEFT_OUT:
        for path in whole.glob(pattern):
            shutil.rmtree(path)
    for name in MODULES_LEFT_OUT:
        for path in whole.glob(f"{STDLIB}/lib-dynload/{name}.*"):
            path.unlink()
    for pattern in KEPT:
        for path in whole.glob(pattern):
            _copy(path, tree / path.relative_to(whole))
    for package in packages:
        # Scanners look here for the packages of an image without a package manager.
        _write(tree / "var/lib/dpkg/status.d" / package.name, debian.control_of(package.path))
    for name, text in ACCOUNTS.items():
        _write(tree / name, text)
    (tree / "tmp").mkdir(exist_ok=True)
    (tree / "tmp").chmod(0o1777)
    lines = (line.partition("=") for line in (tree / "usr/lib/os-release").read_text().splitlines())
    values = {key: value.strip('"') for key, _, value in lines}
    return f"{values['ID']}-{values['VERSION_ID']}"


def _packages_layer(tree: Path, found: list[wheels.Wheel]) -> Layer:
    """Return the layer with the wheels, and the virtual environment around them."""
    for wheel in found:
        wheels.unpack(wheel.path, tree / SITE_PACKAGES)
    _write(tree / "opt/nadmit/pyvenv.cfg", ENVIRONMENT)
    (tree / "opt/nadmit/bin").mkdir()
    (tree / "opt/nadmit/bin/python").symlink_to(f"/usr/bin/python{PYTHON}")
    return _compiled(tree, SITE_PACKAGES, "the packages of requirements/image.txt")


def _project_layer(tree: Path, own: Path) -> Layer:
    """Return the layer with the wheel and the commands of the project."""
    projectwheel.unpack_own(own, tree / SITE_PACKAGES)
    for name, module, function in commands():
        path = tree / "opt/nadmit/bin" / name
        _write(path, COMMAND.format(module=module, function=function))
        path.chmod(0o755)
    return _compiled(tree, SITE_PACKAGES, f"nadmit {release.version()}")


def commands() -> Iterator[tuple[str, str, str]]:
    """Yield name, module and function of each command of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, place in project["scripts"].items():
        module, _, function = place.partition(":")
        if module.partition(".")[0] != projectwheel.NOT_IN_ARCHIVES:
            yield name, module, function


def _compiled(tree: Path, place: str, comment: str) -> Layer:
    """Compile the modules below a place, and return the layer."""
    done = compileall.compile_dir(
        tree / place,
        quiet=2,
        stripdir=str(tree),
        prependdir="/",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        raise BuildError(f"/{place}: a module cannot be compiled")
    return layer_of(tree, comment)


def _copy(path: Path, target: Path) -> None:
    """Copy a file, link or directory with the links in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy(path, target, follow_symlinks=False)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
