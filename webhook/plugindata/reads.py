"""Compiles what plugins read of a pod's requests, besides capabilities, from the files to the literals of the node.

The planner (`cniplugin.netspec.plan`) must know it at both ends, and the node does not read JSON. `make golden` writes
`cniplugin/netspec/pluginreads.py`; a test compares both.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cniplugin.netspec import pluginreads
from webhook.admission.plugins.schema import PluginSchema

from .pluginfiles import FOLDER, UNCHECKED, load_folder

HEAD = '''"""What CNI plugins read of a pod's requests, besides capabilities: literals, compiled by `make golden`.

Source: the fields `cni_args` and `reads_pod` of the files in `webhook/plugindata`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

'''


def compile_reads(files: Iterable[PluginSchema]) -> dict[str, tuple[str, ...]]:
    """Return the table of `pluginreads`: by type, other names included, what the plugin reads, sorted."""
    table: dict[str, tuple[str, ...]] = {}
    for file in files:
        table |= dict.fromkeys((file.type, *file.also), reads_of(file))
    return table


def load_files() -> list[PluginSchema]:
    """Return the plugins of which it is known, so none that is opaque.

    NB: for an unchecked one, nothing listed means that nobody looked.
    """
    checked = (file for file in load_folder(FOLDER) if not file.opaque)
    return [*checked, *filter(reads_of, load_folder(UNCHECKED))]


def reads_of(schema: PluginSchema) -> tuple[str, ...]:
    """Return what one plugin reads: IP and MAC of CNI_ARGS, and keys of the pod's annotation."""
    return tuple(sorted({*schema.cni_args, *schema.reads_pod}))


def render(table: dict[str, tuple[str, ...]]) -> str:
    """Return the text of the module, one entry a line."""
    lines = [
        HEAD + "READS: Mapping[str, tuple[str, ...]] = {",
        *(f"    {key!r}: {value!r}," for key, value in sorted(table.items())),
        "}",
        '"""By plugin type: IP and MAC of CNI_ARGS, and keys of the pod\'s annotation."""',
        "",
    ]
    return "\n".join(lines)


def write() -> None:
    """Write the module anew; `make golden` formats it."""
    Path(pluginreads.__file__).write_text(render(compile_reads(load_files())))


if __name__ == "__main__":
    write()
