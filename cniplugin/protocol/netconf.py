"""This plugin's own configuration, from stdin: Multus' keys and a few of our own (docs/node.md; multus pkg/types).

The tables below are the grammar: each key has one reader, which returns the value or says what is allowed.

- A key in another letter case is refused. Multus is written in Go and would read it; of two spellings of one key,
  nobody could say which one counts.
- An unknown key is a warning with the nearest known one; Multus loses a misspelt option without a word. Keys with
  "/" belong to others and are passed over in silence.
- null is an absent key, as in Go.
- `delegates` beside `clusterNetwork` is refused; Multus ignores the former.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecErrors, render, show
from cniplugin.netspec.jsontext import join, quote
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import VERSION_WHEN_ABSENT
from cniplugin.netspec.whitespace import trim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Conf = dict[str, Any]
    Read = Callable[["_Reading", object, str], Any]

DEADLINE_MAX_S = 3600
LOG_LEVELS = ("debug", "verbose", "error", "panic")
NEEDED_TO_CLEAN_UP = ("recordDir", "binDir", "deadline", "cni.dev/valid-attachments", "cni.dev/attachments")
"""What DEL, CHECK and GC cannot do without: they know all else from the records."""

LOG_KEYS = ("logFile", "logLevel", "logToStderr", "logOptions")


class NetConf(Record):
    """The plugin's configuration. A path is absolute or ""; an object is as written and never changed.

    `valid_attachments`: pairs of container id and interface that the runtime gives GC, None if it gives none.
    """

    name: str
    cni_version: str
    delegates: tuple[NetworkConfigList, ...] = ()
    cluster_network: str = ""
    default_networks: tuple[str, ...] = ()
    status_networks: tuple[str, ...] = ()
    system_namespaces: tuple[str, ...] = ("kube-system",)
    multus_namespace: str = "kube-system"
    namespace_isolation: bool = False
    global_namespaces: tuple[str, ...] = ("default",)
    kubeconfig: str = ""
    conf_dir: str = "/etc/cni/multus/net.d"
    bin_dir: str = "/opt/cni/bin"
    record_dir: str = "/var/lib/cni/nadmit"
    readiness_indicator_file: str = ""
    auxiliary_cni_chain_name: str = ""
    kubelet_dir: str = "/var/lib/kubelet"
    device_info_dir: str = "/var/run/k8s.cni.cncf.io/devinfo"
    deadline_s: float = 30
    log_file: str = ""
    log_level: str = "verbose"
    log_to_stderr: bool = True
    log_options: Mapping[str, Any] = {}
    capabilities: frozenset[str] = frozenset()
    runtime_config: Mapping[str, Any] = {}
    prev_result: Conf | None = None
    valid_attachments: tuple[tuple[str, str], ...] | None = None


def parse(conf: Conf) -> tuple[NetConf, tuple[str, ...]]:
    """Return the configuration and warnings; `conf` is what `skel` read, so its name and version are right.

    Raises CniError 7 with everything that is wrong, the first in `msg`, the others in `details`.
    """
    reading = _Reading(conf)
    fields = reading.fields()
    reading.check_together(fields)
    reading.refuse()
    return NetConf(**fields), tuple(reading.warnings)


def parse_to_clean_up(conf: Conf) -> tuple[NetConf, tuple[str, ...]]:
    """As `parse`, for DEL, CHECK and GC: only what is wrong with NEEDED_TO_CLEAN_UP is refused, all else a warning.

    A configuration that was broken after a pod was attached must not keep the pod from being detached.
    """
    reading = _Reading(conf)
    fields = reading.fields()
    mattering = [(key, text) for key, text in reading.problems if key in NEEDED_TO_CLEAN_UP]
    reading.warnings += [text for key, text in reading.problems if key not in NEEDED_TO_CLEAN_UP]
    reading.problems = mattering
    reading.refuse()
    return NetConf(**fields), tuple(reading.warnings)


def parse_log(conf: Conf) -> NetConf:
    """Return a configuration of the LOG_KEYS alone; what is wrong with them is for `parse` to say, in this very log."""
    reading = _Reading({key: conf[key] for key in LOG_KEYS if key in conf})
    return NetConf(name="", **reading.fields())


class _Reading:
    """One pass over the keys; `problems` are pairs of key and text, both lists in input order."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.problems: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def fields(self) -> dict[str, Any]:
        """Return the fields that the configuration sets rightly."""
        fields: dict[str, Any] = {"cni_version": VERSION_WHEN_ABSENT}
        for key, value in self.conf.items():
            known = _KEYS.get(key)
            if known is None:
                self._odd_key(key)
            elif value is not None:
                field, read = known
                before = len(self.problems)
                found = read(self, value, key)
                if len(self.problems) == before and field != _UNUSED:
                    fields[field] = found
        return fields

    def check_together(self, fields: Mapping[str, Any]) -> None:
        """Check what one key means for another."""
        delegates, cluster_network = self.conf.get("delegates"), self.conf.get("clusterNetwork")
        if delegates and cluster_network:
            self.add("delegates", 'there is "clusterNetwork" too, and both name the default network; remove one')
        elif not delegates and not cluster_network:
            self.add(
                "delegates", 'there is neither "delegates" nor "clusterNetwork": which one is the default network?'
            )
        chain = fields.get("auxiliary_cni_chain_name")
        if chain and "/" not in fields.get("cluster_network", ""):
            fix = "clusterNetwork must be the path of a file or directory, beside which the chain is"
            self.add("auxiliaryCNIChainName", fix, value=chain)

    def refuse(self) -> None:
        """Raise what was found."""
        if self.problems:
            (_, first), *more = self.problems
            raise CniError(INVALID_NETWORK_CONFIG, first, "\n".join(text for _, text in more))

    def add(self, path: str, detail: str, *, value: object = None, allowed: str = "") -> None:
        """Add a problem; `path` starts with the key."""
        shown = "" if value is None else f": {show(value)}"
        key = path.partition("[")[0]
        key = key if key in _KEYS else key.partition(".")[0]
        self.problems.append((key, f"{path}: {detail}{shown}{f'; allowed: {allowed}' if allowed else ''}"))

    def expect(self, is_right: bool, path: str, value: object, *, allowed: str) -> bool:  # noqa: FBT001  # it is read
        if not is_right:
            self.add(path, "null is no value here" if value is None else "this cannot be", value=value, allowed=allowed)
        return is_right

    def _odd_key(self, key: str) -> None:
        right = _FOLDED.get(key.casefold())
        if right:
            self.add(right, f'keys are case-sensitive, and this one is written {show(key)}; write "{right}"')
        elif key in _OF_THE_DAEMON:
            self.warnings.append(f"{key}: this key is for Multus' daemon or installer and means nothing here")
        elif "/" not in key:
            near = names.nearest(key, _KEYS)
            self.warnings.append(f"{show(key)}: unknown key{f'; did you mean {show(near)}?' if near else ''}")

    # One reader per kind of value. What a reader returns after it has added a problem is not used.

    def text(self, value: object, path: str) -> str:
        self.expect(isinstance(value, str), path, value, allowed="a string")
        return value if isinstance(value, str) else ""

    def flag(self, value: object, path: str) -> object:
        self.expect(isinstance(value, bool), path, value, allowed="true or false")
        return value

    def absolute(self, value: object, path: str) -> object:
        is_path = isinstance(value, str) and value.startswith("/") and "\0" not in value
        self.expect(is_path or value == "", path, value, allowed="an absolute path")
        return value

    def directory(self, value: object, path: str) -> object:
        """NB: to Multus, an empty text is the default."""
        return self.absolute(value, path) or getattr(NetConf(name="", cni_version=""), _KEYS[path][0])

    def texts(self, value: object, path: str) -> tuple[str, ...]:
        return self._list(value, path, _is_filled_text, allowed="a list of strings, none of them empty")

    def namespace(self, value: object, path: str) -> object:
        if value == "":
            return "kube-system"
        self.expect(isinstance(value, str) and names.is_label(value), path, value, allowed=names.ALLOWED_LABEL)
        return value

    def namespaces(self, value: object, path: str) -> tuple[str, ...]:
        return self._list(value, path, _is_label, allowed="a list of namespaces")

    def namespaces_in_one_text(self, value: object, path: str) -> tuple[str, ...]:
        found = tuple(filter(None, map(trim, value.split(",")))) if isinstance(value, str) else ()
        is_right = isinstance(value, str) and all(map(_is_label, found))
        self.expect(is_right, path, value, allowed="namespaces in one string, separated by commas")
        return found or ("default",)

    def deadline(self, value: object, path: str) -> object:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right = is_number and 0 < value <= DEADLINE_MAX_S  # type: ignore[operator]  # a number, as just seen
        self.expect(is_right, path, value, allowed=f"seconds, a number above 0, at most {DEADLINE_MAX_S}")
        return value

    def log_level(self, value: object, path: str) -> object:
        self.expect(value in LOG_LEVELS, path, value, allowed=", ".join(LOG_LEVELS))
        return value

    def log_options(self, value: object, path: str) -> object:
        for key, option in self.members(value, path).items():
            if key == "compress":
                self.flag(option, join(path, key))
            elif key in {"maxAge", "maxSize", "maxBackups"}:
                is_right = isinstance(option, int) and not isinstance(option, bool) and option >= 0
                self.expect(is_right, join(path, key), option, allowed="an integer of 0 or more")
            else:
                near = names.nearest(key, ("maxAge", "maxSize", "maxBackups", "compress"))
                hint = f"; did you mean {show(near)}?" if near else ""
                self.warnings.append(f"{join(path, key)}: unknown key{hint}")
        return value

    def members(self, value: object, path: str) -> Conf:
        self.expect(isinstance(value, dict), path, value, allowed="an object")
        return value if isinstance(value, dict) else {}

    def declared(self, value: object, path: str) -> frozenset[str]:
        declared = self.members(value, path)
        for name, wanted in declared.items():
            self.flag(wanted, join(path, name))
        return frozenset(name for name, wanted in declared.items() if wanted)

    def networks(self, value: object, path: str) -> tuple[NetworkConfigList, ...]:
        self.expect(isinstance(value, list), path, value, allowed="a list of CNI configurations")
        items = value if isinstance(value, list) else []
        found = (self._network(item, f"{path}[{index}]") for index, item in enumerate(items))
        return tuple(filter(None, found))

    def attachments(self, value: object, path: str) -> tuple[tuple[str, str], ...]:
        """Read what is still alive. NB: one that cannot be read must not be taken for dead."""
        self.expect(isinstance(value, list), path, value, allowed="a list of objects")
        found = []
        for index, item in enumerate(value if isinstance(value, list) else ()):
            pair = (item.get("containerID"), item.get("ifname")) if isinstance(item, dict) else (None, None)
            allowed = 'an object with the strings "containerID" and "ifname"'
            self.expect(all(map(_is_filled_text, pair)), f"{path}[{index}]", item, allowed=allowed)
            found.append(pair)
        return tuple(found)  # type: ignore[arg-type]  # not used unless all are strings

    def always_true(self, value: object, path: str) -> object:
        self.flag(value, path)
        self.warnings.append(f"{path}: a record is always kept until its DEL succeeds; the key is not needed")
        return value

    def not_ours(self, value: object, path: str) -> object:
        self.text(value, path)
        self.warnings.append(f"{path}: this is Multus' directory, from which its pods are detached; ours is recordDir")
        return value

    def passed_over(self, value: object, _path: str) -> object:
        return value

    def _list(self, value: object, path: str, is_right: Callable[[object], bool], *, allowed: str) -> tuple[str, ...]:
        self.expect(isinstance(value, list), path, value, allowed=allowed)
        items = value if isinstance(value, list) else []
        for index, item in enumerate(items):
            self.expect(is_right(item), f"{path}[{index}]", item, allowed=allowed)
        return tuple(items)

    def _network(self, value: object, path: str) -> NetworkConfigList | None:
        """NB: a delegate without a name has ours, as its results are ours."""
        if not self.expect(isinstance(value, dict), path, value, allowed="a CNI configuration"):
            return None
        try:
            return cniconfig.parse(quote(value), name=str(self.conf.get("name") or ""))
        except SpecErrors as errors:
            for error in errors:
                self.add(f"{path}.{error.path}" if error.path else path, render(error.replace(path="")))
        return None


def _is_filled_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_label(value: object) -> bool:
    return isinstance(value, str) and names.is_label(value)


_UNUSED = "_"

_KEYS: Mapping[str, tuple[str, Read]] = {
    # CNI 1.1 §1
    "cniVersion": ("cni_version", _Reading.text),
    "name": ("name", _Reading.text),
    "capabilities": ("capabilities", _Reading.declared),
    "runtimeConfig": ("runtime_config", _Reading.members),
    "prevResult": ("prev_result", _Reading.members),
    "cni.dev/valid-attachments": ("valid_attachments", _Reading.attachments),
    "cni.dev/attachments": ("valid_attachments", _Reading.attachments),  # its name in an older text of CNI 1.1
    **dict.fromkeys(
        ("type", "cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "ipam", "dns", "args"),
        (_UNUSED, _Reading.passed_over),
    ),
    # Multus
    "delegates": ("delegates", _Reading.networks),
    "clusterNetwork": ("cluster_network", _Reading.text),
    "defaultNetworks": ("default_networks", _Reading.texts),
    "systemNamespaces": ("system_namespaces", _Reading.namespaces),
    "multusNamespace": ("multus_namespace", _Reading.namespace),
    "namespaceIsolation": ("namespace_isolation", _Reading.flag),
    "globalNamespaces": ("global_namespaces", _Reading.namespaces_in_one_text),
    "kubeconfig": ("kubeconfig", _Reading.absolute),
    "confDir": ("conf_dir", _Reading.directory),
    "binDir": ("bin_dir", _Reading.directory),
    "cniDir": (_UNUSED, _Reading.not_ours),
    "readinessindicatorfile": ("readiness_indicator_file", _Reading.absolute),
    "auxiliaryCNIChainName": ("auxiliary_cni_chain_name", _Reading.text),
    "retryDeleteOnError": (_UNUSED, _Reading.always_true),
    "logFile": ("log_file", _Reading.absolute),
    "logLevel": ("log_level", _Reading.log_level),
    "logToStderr": ("log_to_stderr", _Reading.flag),
    "logOptions": ("log_options", _Reading.log_options),
    # ours
    "deadline": ("deadline_s", _Reading.deadline),
    "statusNetworks": ("status_networks", _Reading.texts),
    "recordDir": ("record_dir", _Reading.directory),
    "kubeletDir": ("kubelet_dir", _Reading.directory),
    "deviceInfoDir": ("device_info_dir", _Reading.directory),
}
_FOLDED = {key.casefold(): key for key in _KEYS}
_OF_THE_DAEMON = (
    *("chrootDir", "perNodeCertificate", "connectionLimit", "metricsPort", "enablePprof", "socketDir"),
    *("daemonSocketDir", "multusConfigFile", "cniConfigDir", "multusMasterCNI", "multusAutoconfigDir"),
    *("forceCNIVersion", "overrideNetworkName", "cniConf"),
)
"""Multus pkg/server/types.go, pkg/server/config/generator.go."""
