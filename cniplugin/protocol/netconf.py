"""This plugin's own configuration on stdin: Multus' keys and a few of our own (docs/node.md; multus pkg/types).

`_KEYS` is the grammar: each key has one reader, which returns the value or adds a problem with the allowed values.

- A key in another letter case is read with a warning, as Go reads it. If a key has two spellings with different values,
  it is unclear which one counts, and they are refused.
- An unknown key is a warning with the nearest known key; Multus ignores a misspelt key silently. Keys with "/" belong
  to others and are ignored.
- null is the same as an absent key, as in Go.
- A value that Multus accepts and that has no effect is a warning, and is left out: an unknown log level, an empty item
  of a list, a text that cannot be a namespace, `delegates` beside `clusterNetwork`.
"""

from __future__ import annotations

from cniplugin.cnierrors import INVALID_NETWORK_CONFIG, CniError
from cniplugin.netspec import cniconfig, names
from cniplugin.netspec.cniconfig import NetworkConfigList
from cniplugin.netspec.errors import SpecErrors, render, show
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.names import DELEGATING_TYPES, trim
from cniplugin.netspec.record import Record
from cniplugin.netspec.versions import VERSION_WHEN_ABSENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    Conf = dict[str, Any]
    Read = Callable[["_Reader", object, str], Any]

DEADLINE_MAX_S = 3600
LOG_LEVELS = ("debug", "verbose", "error", "panic")
WITH_RECORDS = ("DEL", "CHECK", "GC")
"""Verbs that work from the records."""
NEEDED_WITH_RECORDS = ("recordDir", "binDir", "deadline", "cni.dev/valid-attachments", "cni.dev/attachments")
"""The keys that these verbs need; everything else is in the records."""

LOG_FILE = "/var/log/nadmit.log"
"""Where calls that fail leave their lines, unless `logFile` says something else."""

POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
"""The capability by which containerd and CRI-O pass the pod's annotations (containerd #5026, ocicni #166)."""

FAIL, DEFAULT_NETWORK = "Fail", "DefaultNetwork"
ON_API_UNAVAILABLE = (FAIL, DEFAULT_NETWORK)

SYSTEM_NAMESPACE = "kube-system"
GLOBAL_NAMESPACES = ("default",)


class NetConf(Record):
    """The plugin's configuration. A path is absolute or ""; an object is as written and never changed.

    `strict`: `ips` and `mac` of pods reach plugins by capabilities alone. `namespace_isolation` and `global_namespaces`
    are None if the configuration does not set them. `multus_dir` is `cniDir`, in which Multus recorded its attachments.
    `has_log_file`: the configuration names the log file, so that it gets all lines and not only those of failed calls.
    `capabilities`: those that the runtime shall fill in.
    `valid_attachments`: pairs of container ID and interface that the runtime passes to GC, None if it does not.
    """

    name: str
    cni_version: str
    delegates: tuple[NetworkConfigList, ...] = ()
    cluster_network: str = ""
    default_networks: tuple[str, ...] = ()
    status_networks: tuple[str, ...] = ()
    system_namespaces: tuple[str, ...] = (SYSTEM_NAMESPACE,)
    multus_namespace: str = SYSTEM_NAMESPACE
    namespace_isolation: bool | None = None
    global_namespaces: tuple[str, ...] | None = None
    kubeconfig: str = ""
    conf_dir: str = "/etc/cni/multus/net.d"
    bin_dir: str = "/opt/cni/bin"
    record_dir: str = "/var/lib/cni/nadmit"
    multus_dir: str = "/var/lib/cni/multus"
    readiness_indicator_file: str = ""
    auxiliary_cni_chain_name: str = ""
    kubelet_dir: str = "/var/lib/kubelet"
    device_info_dir: str = "/var/run/k8s.cni.cncf.io/devinfo"
    strict: bool = False
    deadline_s: float = 30
    log_file: str = LOG_FILE
    has_log_file: bool = False
    log_level: str = "verbose"
    log_to_stderr: bool = True
    log_options: Mapping[str, Any] = {}
    capabilities: frozenset[str] = frozenset()
    runtime_config: Mapping[str, Any] = {}
    on_api_unavailable: str = FAIL
    valid_attachments: tuple[tuple[str, str], ...] | None = None

    @property
    def may_start_without_api(self) -> bool:
        """Say whether the pod certainly asks for no network, or the operator wants it to start all the same."""
        from cniplugin.netspec.selection import DEFAULT_NETWORK as REPLACED  # noqa: PLC0415  # for ADD only
        from cniplugin.netspec.selection import NETWORKS  # noqa: PLC0415  # as above

        annotations = self.runtime_config.get(POD_ANNOTATIONS)
        if isinstance(annotations, dict):
            return not (annotations.get(NETWORKS) or annotations.get(REPLACED))
        return self.on_api_unavailable == DEFAULT_NETWORK


class Reading(Record):
    """One pass over a configuration. `conf` has all keys that are right; `problems` are pairs of key and text."""

    conf: NetConf
    problems: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    def check(self, command: str) -> tuple[str, ...]:
        """Return warnings, if the verb can use the configuration.

        Raises CniError 7 with all problems, the first one in `msg`, the others in `details`. To WITH_RECORDS, a problem
        of a key that they do not need is a warning: a configuration that was broken after a pod was attached must not
        keep the pod from being detached.
        """
        has_records = command in WITH_RECORDS
        serious = [text for key, text in self.problems if not has_records or key in NEEDED_WITH_RECORDS]
        if serious:
            first, *others = serious
            raise CniError(INVALID_NETWORK_CONFIG, first, "\n".join(others))
        return (*self.warnings, *(text for _, text in self.problems))


def read(conf: Conf) -> Reading:
    """Read a configuration whose `name` and `cniVersion` are right; `skel` has checked them."""
    reader = _Reader(conf)
    fields = reader.fields()
    reader.check_together(fields)
    return Reading(conf=NetConf(**fields), problems=tuple(reader.problems), warnings=tuple(reader.warnings))


def parse(conf: Conf) -> tuple[NetConf, tuple[str, ...]]:
    """Return a configuration for ADD, and warnings. Raises CniError 7."""
    reading = read(conf)
    return reading.conf, reading.check("ADD")


class _Reader:
    """Reads the keys in their order. `problems` are pairs of key and text."""

    def __init__(self, conf: Conf) -> None:
        self.conf = {key: value for key, value in conf.items() if value is not None}
        self.problems: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self._key = ""

    def fields(self) -> dict[str, Any]:
        """Return the fields of NetConf whose keys are right."""
        fields: dict[str, Any] = {"cni_version": VERSION_WHEN_ABSENT}
        for written, value in self.conf.items():
            key = written if written in _KEYS else self._right_key(written)
            if key is not None:
                self._key = key
                field, read_value = _KEYS[key]
                before = len(self.problems)
                read = read_value(self, value, key)
                if len(self.problems) == before and field != _UNUSED and read is not None:
                    fields[field] = read
        fields["has_log_file"] = "log_file" in fields
        return fields

    def check_together(self, fields: dict[str, Any]) -> None:
        """Check the keys that depend on each other; remove a field that does not count."""
        self._choose_default_network(fields)
        chain = fields.get("auxiliary_cni_chain_name")
        if chain and "/" not in fields.get("cluster_network", ""):
            fix = "clusterNetwork must be the path of a file or directory, beside which the chain is"
            self.add("auxiliaryCNIChainName", fix, value=chain)

    def _choose_default_network(self, fields: dict[str, Any]) -> None:
        """NB: Multus does not read `delegates` beside `clusterNetwork`."""
        self._key = "delegates"
        keys = {key for key, _ in self.problems}
        if fields.get("cluster_network"):
            if "delegates" in keys or fields.pop("delegates", ()):
                self.problems = [problem for problem in self.problems if problem[0] != "delegates"]
                self.warnings.append('delegates: "clusterNetwork" is set too and names the default network; remove one')
        elif not fields.get("delegates") and keys.isdisjoint({"delegates", "clusterNetwork"}):
            self.add("delegates", 'neither "delegates" nor "clusterNetwork" is set: which is the default network?')

    def add(self, path: str, detail: str, *, value: object = None, allowed: str = "") -> None:
        """Add a problem of the key that is being read; `path` is the place in the configuration."""
        shown = "" if value is None else f": {show(value)}"
        self.problems.append((self._key, f"{path}: {detail}{shown}{f'; allowed: {allowed}' if allowed else ''}"))

    def expect(self, is_right: bool, path: str, value: object, *, allowed: str) -> bool:  # noqa: FBT001  # it is read
        if not is_right:
            detail = "null is not allowed here" if value is None else "this value is not allowed"
            self.add(path, detail, value=value, allowed=allowed)
        return is_right

    def _right_key(self, written: str) -> str | None:
        """Return the key that Go reads for one in another letter case; None for all others, with a warning."""
        right = _FOLDED.get(written.casefold())
        if right is None:
            self._check_unknown(written)
        elif right not in self.conf:
            self.warnings.append(f'{right}: this key is written {show(written)}; write "{right}"')
            return self._first_spelling(written, right)
        elif self.conf[right] == self.conf[written]:
            self.warnings.append(f"{right}: this key is there twice, also as {show(written)}; remove one")
        elif right in _OF_THE_RUNTIME:
            self.warnings.append(f"{right}: the runtime sets this key, so {show(written)} has no effect; remove it")
        else:
            self._refuse_spelling(written, right)
        return None

    def _first_spelling(self, written: str, right: str) -> str | None:
        """Return the key, unless another wrong spelling of it came before."""
        first = next(key for key in self.conf if _FOLDED.get(key.casefold()) == right)
        if first == written:
            return right
        if self.conf[first] != self.conf[written]:
            self._refuse_spelling(written, right)
        return None

    def _refuse_spelling(self, written: str, right: str) -> None:
        self._key = right
        self.add(right, f"this key is there twice with different values, also as {show(written)}; remove one")

    def _check_unknown(self, key: str) -> None:
        if key in _OF_THE_DAEMON:
            self.warnings.append(f"{key}: this key is for Multus' daemon or installer and has no effect here")
        elif "/" not in key:
            self._warn_unknown(show(key), key, _KEYS)

    def _warn_unknown(self, place: str, key: str, known: Iterable[str]) -> None:
        near = names.nearest(key, known)
        self.warnings.append(f"{place}: unknown key{f'; did you mean {show(near)}?' if near else ''}")

    # One reader per kind of value. If a reader adds a problem, the value that it returns is not used.

    def text(self, value: object, path: str) -> str:
        self.expect(isinstance(value, str), path, value, allowed="a string")
        return value if isinstance(value, str) else ""

    def version(self, value: object, path: str) -> str:
        return self.text(value, path) or VERSION_WHEN_ABSENT

    def flag(self, value: object, path: str) -> object:
        self.expect(isinstance(value, bool), path, value, allowed="true or false")
        return value

    def absolute(self, value: object, path: str) -> object:
        is_path = isinstance(value, str) and value.startswith("/") and "\0" not in value
        self.expect(is_path or value == "", path, value, allowed="an absolute path")
        return value

    def directory(self, value: object, path: str) -> object:
        """NB: as in Multus, an empty string means the default."""
        return self.absolute(value, path) or NetConf.__defaults__[_KEYS[path][0]]

    def texts(self, value: object, path: str) -> tuple[str, ...]:
        return self._filled(value, path)

    def namespace(self, value: object, path: str) -> object:
        if value == "":
            return SYSTEM_NAMESPACE
        self.expect(isinstance(value, str) and names.is_label(value), path, value, allowed=names.ALLOWED_LABEL)
        return value

    def namespaces(self, value: object, path: str) -> tuple[str, ...]:
        return self._only_namespaces(self._filled(value, path), path)

    def namespaces_in_one_text(self, value: object, path: str) -> tuple[str, ...]:
        self.expect(isinstance(value, str), path, value, allowed="namespaces in one string, separated by commas")
        listed = tuple(filter(None, map(trim, value.split(",")))) if isinstance(value, str) else ()
        return self._only_namespaces(listed, path) if listed else GLOBAL_NAMESPACES

    def deadline(self, value: object, path: str) -> object:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right = is_number and 0 < value <= DEADLINE_MAX_S  # type: ignore[operator]  # it is a number
        self.expect(is_right, path, value, allowed=f"seconds, a number above 0, at most {DEADLINE_MAX_S}")
        return value

    def log_file(self, value: object, path: str) -> object:
        """NB: a pod must not fail because of the place of its log."""
        is_path = self.text(value, path) == "" or (str(value).startswith("/") and "\0" not in str(value))
        if not is_path:
            self.warnings.append(f"{path}: not an absolute path: {show(value)}; the log is {LOG_FILE}")
        return value if is_path else None

    def log_level(self, value: object, path: str) -> object:
        level = self.text(value, path).lower()
        if level and level not in LOG_LEVELS:
            self.warnings.append(f"{path}: unknown level {show(value)}; allowed: {', '.join(LOG_LEVELS)}")
        return level if level in LOG_LEVELS else NetConf.__defaults__["log_level"]

    def log_options(self, value: object, path: str) -> object:
        options: dict[str, object] = {}
        for written, option in self.members(value, path).items():
            key = _LOG_OPTIONS.get(written.casefold(), written)
            place = join(path, key)
            if key not in _LOG_OPTIONS.values():
                self._warn_unknown(place, key, _LOG_OPTIONS.values())
            elif option is not None:
                options[key] = self.flag(option, place) if key == "compress" else self._limit(option, place)
            if key != written:
                self.warnings.append(f'{place}: this key is written {show(written)}; write "{key}"')
        return options

    def _limit(self, value: object, path: str) -> object:
        """Read a limit of the log. A negative one is none, as lumberjack reads the age and the number."""
        self.expect(isinstance(value, int) and not isinstance(value, bool), path, value, allowed="an integer")
        return max(value, 0) if isinstance(value, int) else 0

    def members(self, value: object, path: str) -> Conf:
        self.expect(isinstance(value, dict), path, value, allowed="an object")
        return value if isinstance(value, dict) else {}

    def flags(self, value: object, path: str) -> frozenset[str]:
        flags = self.members(value, path)
        for name, flag in flags.items():
            self.flag(flag, join(path, name))
        return frozenset(name for name, flag in flags.items() if flag is True)

    def on_api_unavailable(self, value: object, path: str) -> object:
        self.expect(value in ON_API_UNAVAILABLE, path, value, allowed=", ".join(ON_API_UNAVAILABLE))
        return value

    def networks(self, value: object, path: str) -> tuple[NetworkConfigList, ...]:
        self.expect(isinstance(value, list), path, value, allowed="a list of CNI configurations")
        items = value if isinstance(value, list) else []
        networks = (self._network(item, f"{path}[{index}]") for index, item in enumerate(items))
        return tuple(filter(None, networks))

    def attachments(self, value: object, path: str) -> tuple[tuple[str, str], ...]:
        """Read the attachments that are alive. NB: one that cannot be read must not count as dead."""
        self.expect(isinstance(value, list), path, value, allowed="a list of objects")
        pairs = []
        for index, item in enumerate(value if isinstance(value, list) else ()):
            pair = (item.get("containerID"), item.get("ifname")) if isinstance(item, dict) else (None, None)
            allowed = 'an object with the strings "containerID" and "ifname"'
            self.expect(all(map(_is_filled_text, pair)), f"{path}[{index}]", item, allowed=allowed)
            pairs.append(pair)
        return tuple(pairs)  # type: ignore[arg-type]  # used only if all are strings

    def always_true(self, value: object, path: str) -> object:
        self.flag(value, path)
        self.warnings.append(f"{path}: the plugin always keeps a record until its DEL succeeds; the key is not needed")
        return value

    def multus_directory(self, value: object, path: str) -> object:
        self.warnings.append(f"{path}: this is Multus' directory, from which its pods are detached; ours is recordDir")
        return self.text(value, path) or NetConf.__defaults__["multus_dir"]

    def ignored(self, value: object, _path: str) -> object:
        return value

    def _filled(self, value: object, path: str) -> tuple[str, ...]:
        """Read a list of strings. An empty one is null in Go, and names nothing."""
        allowed = "a list of strings"
        self.expect(isinstance(value, list), path, value, allowed=allowed)
        filled = []
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if item is None or item == "":
                self.warnings.append(f"{path}[{index}]: the item is empty and has no effect; remove it")
            elif self.expect(isinstance(item, str), f"{path}[{index}]", item, allowed=allowed):
                filled.append(item)
        return tuple(filled)

    def _only_namespaces(self, listed: tuple[str, ...], path: str) -> tuple[str, ...]:
        for item in listed:
            if not names.is_label(item):
                what = f"no namespace can have this name: {show(item)}; allowed: {names.ALLOWED_LABEL}"
                self.warnings.append(f"{path}: {what}")
        return tuple(filter(names.is_label, listed))

    def _network(self, value: object, path: str) -> NetworkConfigList | None:
        """NB: a delegate without a name gets ours, because its result becomes ours."""
        if not self.expect(isinstance(value, dict), path, value, allowed="a CNI configuration"):
            return None
        try:
            network = cniconfig.build(value, name=str(self.conf.get("name") or ""))
            if network.types.isdisjoint(DELEGATING_TYPES):
                return network
            kinds = ", ".join(f'"{kind}"' for kind in DELEGATING_TYPES if kind in network.types)
            what = f"plugin {kinds} attaches all networks of a pod, so it cannot be a delegate"
            self.add(path, f"{what}; name the plugin that makes the attachment")
        except SpecErrors as errors:
            for error in errors:
                self.add(f"{path}.{error.path}" if error.path else path, render(error.replace(path="")))
        return None


def _is_filled_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


_UNUSED = "_"

_KEYS: Mapping[str, tuple[str, Read]] = {
    # CNI 1.1 §1
    "cniVersion": ("cni_version", _Reader.version),
    "name": ("name", _Reader.text),
    "capabilities": ("capabilities", _Reader.flags),
    "runtimeConfig": ("runtime_config", _Reader.members),
    "prevResult": (_UNUSED, _Reader.members),
    "cni.dev/valid-attachments": ("valid_attachments", _Reader.attachments),
    "cni.dev/attachments": ("valid_attachments", _Reader.attachments),  # its name in an older text of CNI 1.1
    **dict.fromkeys(
        ("type", "cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "ipam", "dns", "args"),
        (_UNUSED, _Reader.ignored),
    ),
    # Multus
    "delegates": ("delegates", _Reader.networks),
    "clusterNetwork": ("cluster_network", _Reader.text),
    "defaultNetworks": ("default_networks", _Reader.texts),
    "systemNamespaces": ("system_namespaces", _Reader.namespaces),
    "multusNamespace": ("multus_namespace", _Reader.namespace),
    "namespaceIsolation": ("namespace_isolation", _Reader.flag),
    "globalNamespaces": ("global_namespaces", _Reader.namespaces_in_one_text),
    "kubeconfig": ("kubeconfig", _Reader.absolute),
    "confDir": ("conf_dir", _Reader.directory),
    "binDir": ("bin_dir", _Reader.directory),
    "cniDir": ("multus_dir", _Reader.multus_directory),
    "readinessindicatorfile": ("readiness_indicator_file", _Reader.absolute),
    "auxiliaryCNIChainName": ("auxiliary_cni_chain_name", _Reader.text),
    "retryDeleteOnError": (_UNUSED, _Reader.always_true),
    "logFile": ("log_file", _Reader.log_file),
    "logLevel": ("log_level", _Reader.log_level),
    "logToStderr": ("log_to_stderr", _Reader.flag),
    "logOptions": ("log_options", _Reader.log_options),
    # ours
    "strict": ("strict", _Reader.flag),
    "onApiUnavailable": ("on_api_unavailable", _Reader.on_api_unavailable),
    "deadline": ("deadline_s", _Reader.deadline),
    "statusNetworks": ("status_networks", _Reader.texts),
    "recordDir": ("record_dir", _Reader.directory),
    "kubeletDir": ("kubelet_dir", _Reader.directory),
    "deviceInfoDir": ("device_info_dir", _Reader.directory),
}
_FOLDED = {key.casefold(): key for key in _KEYS}
_OF_THE_RUNTIME = ("cniVersion", "name")
"""Keys that libcni sets in each configuration, so that another spelling of them has no effect."""
_LOG_OPTIONS = {key.casefold(): key for key in ("maxAge", "maxSize", "maxBackups", "compress")}
_OF_THE_DAEMON = (
    *("chrootDir", "perNodeCertificate", "connectionLimit", "metricsPort", "enablePprof", "socketDir"),
    *("daemonSocketDir", "multusConfigFile", "cniConfigDir", "multusMasterCNI", "multusAutoconfigDir"),
    *("forceCNIVersion", "overrideNetworkName", "cniConf"),
)
"""Keys of Multus pkg/server/types.go and pkg/server/config/generator.go."""
