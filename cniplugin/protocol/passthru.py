"""The plugin `passthru`, with which Multus begins an auxiliary chain: it hands on what it gets.

`attach.confdir.load_chain` puts it at the beginning of `auxiliaryCNIChainName`, so that the plugins after it get a
`prevResult` as in a chain with a main plugin (CNI 1.1 §2, section "ADD"). ADD returns the `prevResult` of its request,
or an empty result. The other verbs have nothing to do. The program is that of nadmit, started under this name.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import DECODE_FAILURE, INVALID_ENVIRONMENT, CniError
from cniplugin.netspec import jsontext
from cniplugin.netspec.errors import SpecErrors

from .skel import Stdin, from_spec_errors, render_error, render_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "passthru"
_SILENT = ("CHECK", "DEL", "GC", "STATUS")


def is_called(program: str) -> bool:
    """Say whether a program, as in argv[0], was started under the name of this plugin."""
    return os.path.basename(program) == NAME  # noqa: PTH119  # pathlib costs 5 ms


def run(environ: Mapping[str, str], read: Callable[[], bytes], write: Callable[[bytes], object]) -> int:
    """Serve one call of a runtime and return the exit code. `write` is called at most once, with a line of JSON."""
    stdin = Stdin(read)
    try:
        text, code = _serve(environ.get("CNI_COMMAND", ""), stdin), 0
    except SpecErrors as errors:
        text, code = render_error(from_spec_errors(errors), stdin.version), 1
    except CniError as error:
        text, code = render_error(error, stdin.version), 1
    if text:
        write(text.encode("utf-8", "backslashreplace") + b"\n")
    return code


def _serve(command: str, stdin: Stdin) -> str:
    if command == "VERSION":
        return render_version(stdin)
    if command not in {"ADD", *_SILENT}:
        raise CniError(INVALID_ENVIRONMENT, f"unknown CNI_COMMAND: {command}")
    conf = stdin.load()
    if not isinstance(conf, dict):
        raise CniError(DECODE_FAILURE, "the configuration on stdin is not an object")
    if command in _SILENT:
        return ""
    previous = conf.get("prevResult")
    return jsontext.quote(previous if isinstance(previous, dict) else {"cniVersion": stdin.version})
