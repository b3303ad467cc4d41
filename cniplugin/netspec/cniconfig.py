"""A CNI configuration: the text of `spec.config`, or of a file, to a value (CNI 1.1 §1; NPWG v1.3 §3.4).

    network   = plugin-object with "type"              ; one plugin, libcni's deprecated .conf
              / object with "plugins": 1*plugin-object ; a list, libcni's .conflist
    plugin    = "type" and the keys of CNI 1.1 §1; other keys are the plugin's own and kept as written
    type      = file name: no "/", not "." or "..", no white space or control character
    version   = 1*9DIGIT *2("." 1*9DIGIT), and one of VERSIONS must win

The rules are libcni's for bytes. The caller handles files that belong to the configuration.
Stricter than libcni and Multus, where readers of one text differ or crash:

- A key that differs only in letter case from a key that a reader knows, or from its neighbour: Go matches struct keys
  with Unicode case folding, others do not. `{"type":"bridge","Type":"host-device"}` has two readings.
- `type` beside `plugins`: Multus runs `type` (types/conf.go LoadDelegateNetConf), libcni runs `plugins`.
- `type` of IPAM and of nested delegates: a path would run any program on the node.
- `args` or `args.cni` that is not an object: Multus panics once a pod has `cni-args` (injectCNIArgs, same file).
- A version that no plugin speaks: libcni passes it on, and the plugin fails at pod start.

As in Go, null means an absent `ipam`, `dns`, `capabilities`, `delegate`, `delegates`, `prevResult`, `runtimeConfig`.
`disableCheck`, `disableGC` and `cniVersions` also count in the one-plugin form, where libcni ignores them.
"""

from __future__ import annotations

from itertools import islice

from .errors import PROBLEMS_MAX, SpecError, SpecErrors
from .jsontext import join, quote
from .jsontext import parse as parse_json
from .names import is_network_name
from .record import PlainRecord, mypyc_attr
from .versions import VERSIONS, choose_version, is_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
    from typing import Any, Final

    Conf = dict[str, Any]
    Check = Callable[[Conf, str, str], Iterable[SpecError]]
    """Takes (object, key, path of the object), and returns the problems of the key's value."""
    Checks = tuple[tuple[str, Check], ...]
    """The checks of an object, each with its key."""
    Keys = Mapping[str, tuple[str, ...]]

CONFIG_BYTES_MAX = 1_572_864
"""1.5 MiB, etcd's default limit of one request (`--max-request-bytes`): no larger NAD can exist."""


@mypyc_attr(native_class=False)
class PluginConfig(PlainRecord):
    """One plugin of a network.

    `capabilities`: those declared true. `conf`: the object as written, never changed. `ipam_type`: None without IPAM.
    `types`: each program it may run: its own type, its IPAM's, and those of nested delegates.
    """

    __slots__ = ("type", "capabilities", "conf", "ipam_type", "types")  # noqa: RUF023 - in the order of `__init__`

    def __init__(
        self,
        *,
        type: str,  # noqa: A002 - the key of CNI
        capabilities: frozenset[str],
        conf: Conf,
        ipam_type: str | None,
        types: tuple[str, ...],
    ) -> None:
        self.type: Final = type
        self.capabilities: Final = capabilities
        self.conf: Final = conf
        self.ipam_type: Final = ipam_type
        self.types: Final = types


@mypyc_attr(native_class=False)
class NetworkConfigList(PlainRecord):
    """A network: its plugins in order, and the settings for its runtime.

    `name`: never empty; `written_name`: the name in the text, None if there is none. `cni_version`: the version to
    speak, chosen from `cniVersion` and `cniVersions`. `is_list`: it has `plugins`. `conf`: the top level as written,
    with the name filled in (NPWG v1.3 §3.4.2). `capabilities`: those that at least one plugin declares (CNI 1.1 §3).
    `types`: each program that one of its plugins may run.
    """

    __slots__ = (  # noqa: RUF023 - in the order of `__init__`
        "name", "written_name", "cni_version", "plugins", "disable_check", "disable_gc", "load_only_inlined", "is_list",
        "conf", "capabilities", "types", "_memo",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - one argument per field
        self,
        *,
        name: str,
        written_name: str | None,
        cni_version: str,
        plugins: tuple[PluginConfig, ...],
        disable_check: bool,
        disable_gc: bool,
        load_only_inlined: bool,
        is_list: bool,
        conf: Conf,
        capabilities: frozenset[str],
        types: frozenset[str],
    ) -> None:
        self.name: Final = name
        self.written_name: Final = written_name
        self.cni_version: Final = cni_version
        self.plugins: Final = plugins
        self.disable_check: Final = disable_check
        self.disable_gc: Final = disable_gc
        self.load_only_inlined: Final = load_only_inlined
        self.is_list: Final = is_list
        self.conf: Final = conf
        self.capabilities: Final = capabilities
        self.types: Final = types
        self._memo: Final[dict[Hashable, Any]] = {}


def parse(text: str, *, name: str) -> NetworkConfigList:
    """Return the network that `text` describes; `name` is its name if the text has none (NPWG v1.3 §3.4.2).

    Raises SpecErrors: a `json-*` rule of jsontext, or all broken `cni-*` rules in input order (the first
    PROBLEMS_MAX). Linear in the length.
    """
    return build(read(text), name=name)


def read(text: str) -> object:
    """Return the JSON value of a text, whatever it says. Raises SpecErrors: a `json-*` rule of jsontext."""
    return parse_json(text, what="the configuration", bytes_max=CONFIG_BYTES_MAX, section=SECTION)


def build(value: object, *, name: str) -> NetworkConfigList:
    """As `parse`, for a value that `read` has returned."""
    problems = list(islice(network_problems(value, name), PROBLEMS_MAX))
    if problems or not isinstance(value, dict):
        raise SpecErrors(problems)
    return assemble(value, name=name)


def render(config: NetworkConfigList) -> str:
    """Return the JSON text of a network, name included, integers and the order of keys as written.

    `parse(render(config), name=...)` is `config` again, but for a `written_name` that was None.
    """
    return quote(config.conf)


def assemble(conf: Conf, *, name: str) -> NetworkConfigList:
    """Return what `build` returns, for a value without problems."""
    written = conf.get("name") or None
    named = conf if written else {**conf, "name": name}
    plugins = tuple([_plugin(plugin) for plugin in named.get("plugins", (named,))])
    capabilities = _NO_CAPABILITIES
    types: list[str] = []
    for plugin in plugins:
        types += plugin.types
        if plugin.capabilities:
            capabilities |= plugin.capabilities
    return NetworkConfigList(
        name=named["name"],
        written_name=written,
        cni_version=choose_version(conf),
        plugins=plugins,
        disable_check=_is_flagged(conf, "disableCheck"),
        disable_gc=_is_flagged(conf, "disableGC"),
        load_only_inlined=_is_flagged(conf, "loadOnlyInlinedPlugins"),
        is_list="plugins" in conf,
        conf=named,
        capabilities=capabilities,
        types=frozenset(types),
    )


def _is_flagged(conf: Conf, key: str) -> bool:
    return key in conf and read_flag(conf[key]) is True


_NO_CAPABILITIES: frozenset[str] = frozenset()


def _plugin(conf: Conf) -> PluginConfig:
    declared, ipam = conf.get("capabilities"), _ipam_type(conf)
    if "delegate" in conf or "delegates" in conf:
        types = tuple(_types(conf))
    else:
        types = (conf["type"],) if ipam is None else (conf["type"], ipam)
    return PluginConfig(
        type=conf["type"],
        capabilities=frozenset([one for one, flag in declared.items() if flag]) if declared else _NO_CAPABILITIES,
        conf=conf,
        ipam_type=ipam,
        types=types,
    )


def _ipam_type(conf: Conf) -> str | None:
    ipam = conf.get("ipam")
    return (ipam.get("type") or None) if ipam else None


def _types(conf: Conf) -> Iterator[str]:
    yield from filter(None, (conf.get("type"), _ipam_type(conf)))
    nested = conf.get("delegate")
    for delegate in (*([nested] if nested else []), *(conf.get("delegates") or ())):
        yield from _types(delegate)
        for plugin in delegate.get("plugins", ()):
            yield from _types(plugin)


# The problems of a configuration: one check for each key, which yields problems in input order

SECTION = "CNI 1.1 §1"
_ALLOWED_NAME = "letters, digits, '_', '.' and '-', starting with a letter or digit"
_ALLOWED_TYPE = "the bare file name of a plugin"
_DNS_LISTS = ("nameservers", "search", "options")

# Keys by their folded form: those that libcni reads, and those by which a plugin chooses the part of the host that it
# attaches to, which access rules read. NB: the vlan plugin has vlanId, OVN-Kubernetes vlanID.
_CONFIG_KEYS: Keys = {
    key.casefold(): (key,)
    for line in (
        "name cniVersion cniVersions type plugins disableCheck disableGC loadOnlyInlinedPlugins",
        "capabilities ipam dns args runtimeConfig prevResult delegate delegates",
        "master linkInContainer link bridge vlan vlanTrunk trunk device deviceID hwaddr kernelpath pciBusID",
    )
    for key in line.split(" ")
} | {"vlanid": ("vlanId", "vlanID")}
_IPAM_KEYS: Keys = {"type": ("type",)}
_ARGS_KEYS: Keys = {"cni": ("cni",)}


def read_flag(value: object) -> bool | None:
    """Return a boolean, also one in quotes in any letter case (libcni conf.go:162-184); None for other values."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def network_problems(value: object, name: str) -> Iterable[SpecError]:
    """Return every problem of a whole configuration; `name` is filled in if the text has none."""
    problems = _object_problems(value, "", _NETWORK)
    if not isinstance(value, dict):
        return problems
    if not problems and value.get("name") and ("type" in value or "plugins" in value):  # nearly always
        return ()
    return _and_lacking(problems, value, name)


def _and_lacking(problems: Iterable[SpecError], conf: Conf, name: str) -> Iterator[SpecError]:
    """Yield these problems of a network, and then those of keys that it lacks."""
    yield from problems
    if "type" not in conf and "plugins" not in conf:
        yield _error("cni-type", "", 'there is neither "type" nor "plugins"', allowed=_ALLOWED_TYPE)
    if conf.get("name", "") == "" and not is_network_name(name):
        yield _name_error(name)


class _Form:
    """One kind of object: what its keys and their values may be.

    `checks`: by key; other values are not looked at. `known`: the keys that readers know, by their folded form.
    `rule`: of a value that is no object. `right`: the checks to make, for sets of keys that have no problem; what
    follows from the keys alone is computed once, and a cluster has few sets of keys.
    """

    def __init__(self, checks: Mapping[str, Check], *, known: Keys, rule: str) -> None:
        self.checks = checks
        self.known = known
        self.rule = rule
        self.right: dict[tuple[str, ...], Checks] = {}

    def checks_of(self, keys: tuple[str, ...]) -> Checks | None:
        """Return the checks of an object with these keys, in their order; None if a key has a problem."""
        right = self.right.get(keys)
        if right is None and not any(True for _ in self.key_problems(keys, "")):
            right = tuple([(key, self.checks[key]) for key in keys if key in self.checks])
            if len(keys) <= KEPT_KEYS_MAX and len("".join(keys)) <= KEPT_LETTERS_MAX:
                if len(self.right) >= KEPT_SETS_MAX:
                    self.right.clear()
                self.right[keys] = right
        return right

    def key_problems(self, keys: Iterable[str], path: str) -> Iterator[tuple[str, SpecError]]:
        """Yield each key whose spelling is a problem, and the problem; `path` is that of the object."""
        folded: set[str] = set()
        for key in keys:
            fold = key.casefold()
            spellings = self.known.get(fold)
            if spellings is not None and key not in spellings:
                yield key, _key_case_error(join(path, key), spellings[0])
            elif fold in folded:
                yield key, _key_twin_error(join(path, key))
            else:
                folded.add(fold)


KEPT_SETS_MAX, KEPT_KEYS_MAX, KEPT_LETTERS_MAX = 512, 32, 512
"""Sets of keys that a form keeps, and the keys and letters of one set: 1 MiB at most."""


def _object_problems(value: object, path: str, form: _Form) -> Iterable[SpecError]:
    """Return the problems of one object: those of each key, and of its value if the form has a check of the key.

    NB: nearly all objects have none, so all checks return () then, and nothing is generated. From the first problem
    on, the others are found one by one, so that a caller may stop.
    """
    if not isinstance(value, dict):
        return (_wrong_type(form.rule, path, value, allowed="an object"),)
    checks = form.checks_of(tuple(value))
    if checks is None:
        return _with_key_problems(value, path, form)
    for at, (key, check) in enumerate(checks, 1):
        problems = check(value, key, path)
        if problems:
            return _and_rest(problems, checks[at:], value, path)
    return ()


def _and_rest(problems: Iterable[SpecError], checks: Checks, conf: Conf, path: str) -> Iterator[SpecError]:
    """Yield the problems that one check has found, and those of the checks after it."""
    yield from problems
    for key, check in checks:
        yield from check(conf, key, path)


def _with_key_problems(conf: Conf, path: str, form: _Form) -> Iterator[SpecError]:
    """Yield the problems of an object in which a key is one, in the order of the keys."""
    wrong = form.key_problems(conf, path)
    at, problem = next(wrong, (None, None))
    for key in conf:
        if problem is not None and key == at:
            yield problem
            at, problem = next(wrong, (None, None))
        check = form.checks.get(key)
        if check is not None:
            yield from check(conf, key, path)


def _key_case_error(path: str, spelling: str) -> SpecError:
    """NB: `str.casefold` also folds U+017F to "s" and U+212A to "k", as Go's encoding/json does."""
    detail = "keys are case-sensitive, yet plugins written in Go read this one in any letter case"
    return _error("cni-key-case", path, detail, fix=f'write "{spelling}"')


def _key_twin_error(path: str) -> SpecError:
    detail = "another key differs from this one only in letter case, and readers differ on which one counts"
    return _error("cni-key-twin", path, detail, fix="keep one of them")


# NB: a check joins the path of its key only for a mistake, and returns () for a right value, as nearly all are.


def _network_name_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    name = conf[key]
    if not isinstance(name, str):
        return (_wrong_type("cni-name", join(path, key), name, allowed="a string"),)
    return (_name_error(name),) if name and not is_network_name(name) else ()


def _name_error(name: str) -> SpecError:
    detail = "the network name has other characters" if name else "the network has no name"
    return _error("cni-name", "name", detail, value=name or None, allowed=_ALLOWED_NAME)


def _overwritten_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """Check a key that the network's own value replaces: libcni first reads it as a string (types.PluginConf)."""
    if conf[key] is None or isinstance(conf[key], str):
        return ()
    rule = {"name": "cni-name", "cniVersion": "cni-version"}[key]
    return (_wrong_type(rule, join(path, key), conf[key], allowed="a string"),)


def _type_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    name = conf[key]
    if not isinstance(name, str):
        return (_wrong_type("cni-type", join(path, key), name, allowed=_ALLOWED_TYPE),)
    if not name:
        return (_error("cni-type", join(path, key), "the type is empty", allowed=_ALLOWED_TYPE),)
    if "/" in name or name in {".", ".."}:
        detail = "the type is a path, which could run any program of the node"
        return (_error("cni-type-path", join(path, key), detail, value=name, allowed=_ALLOWED_TYPE),)
    if " " in name or not name.isprintable():
        detail = "the type has white space or a control character"
        return (_error("cni-type", join(path, key), detail, value=name, allowed=_ALLOWED_TYPE),)
    return ()


def _list_type_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """NB: beside `plugins`, libcni and Multus take an empty `type` for an absent one; they differ on any other."""
    if "plugins" not in conf:
        return _type_problems(conf, key, path)
    if conf[key] in ("", None):
        return ()
    detail = '"type" is set beside "plugins": Multus runs the type alone, libcni the plugins alone'
    where = join(path, key)
    return (_error("cni-type-and-plugins", where, detail, value=conf[key], fix="remove one", section="libcni"),)


def _ipam_type_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """NB: an empty type means that there is no IPAM."""
    return () if conf[key] in ("", None) else _type_problems(conf, key, path)


def _version_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """NB: an empty version counts as absent; a version that is too new is fine if `cniVersions` has an older one."""
    version = conf[key]
    if not isinstance(version, str):
        return (_wrong_type("cni-version", join(path, key), version, allowed="a string"),)
    if not version or version in VERSIONS or (is_version(version) and choose_version(conf) != version):
        return ()
    return (_version_error(join(path, key), version),)


def _versions_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """Check each entry, and that the chosen one is known; `cniVersion` is reported at its own key."""
    where = join(path, key)
    if not isinstance(conf[key], list):
        yield _wrong_type("cni-version", where, conf[key], allowed="a list of strings")
        return
    chosen = choose_version(conf)
    for index, version in enumerate(conf[key]):
        if not isinstance(version, str):
            yield _wrong_type("cni-version", f"{where}[{index}]", version, allowed="a string")
        elif not is_version(version) or (
            version == chosen and version not in VERSIONS and version != conf.get("cniVersion")
        ):
            yield _version_error(f"{where}[{index}]", version)


def _version_error(path: str, version: str) -> SpecError:
    detail = "no plugin speaks this version of CNI"
    return _error("cni-version", path, detail, value=version, allowed=", ".join(VERSIONS))


def _flag_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    flag = read_flag(conf[key])
    if flag is None:
        return (_wrong_type("cni-flag", join(path, key), conf[key], allowed="true or false"),)
    if flag and key == "loadOnlyInlinedPlugins" and "plugins" not in conf:
        detail = 'only inlined plugins are to be loaded, and there is no "plugins"'
        return (_error("cni-plugins", join(path, key), detail, fix='add "plugins"'),)
    return ()


def _plugins_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    plugins = conf[key]
    if not isinstance(plugins, list):
        return (_wrong_type("cni-plugins", join(path, key), plugins, allowed="a list of plugins"),)
    if not plugins:
        return (_error("cni-plugins", join(path, key), "the list is empty", allowed="one plugin or more"),)
    where = join(path, key)
    for at, plugin in enumerate(plugins):
        problems = _listed_problems(plugin, f"{where}[{at}]")
        if problems:
            return _and_others(problems, plugins, at + 1, where)
    return ()


def _and_others(problems: Iterable[SpecError], plugins: list[object], at: int, where: str) -> Iterator[SpecError]:
    """Yield the problems of one plugin, and those of the plugins from the index `at` on."""
    yield from problems
    for index in range(at, len(plugins)):
        yield from _listed_problems(plugins[index], f"{where}[{index}]")


def _listed_problems(plugin: object, place: str) -> Iterable[SpecError]:
    """Return the problems of one plugin of a list."""
    problems = _object_problems(plugin, place, _PLUGIN)
    if not isinstance(plugin, dict) or "type" in plugin:
        return problems
    return _and_untyped(problems, place)


def _and_untyped(problems: Iterable[SpecError], place: str) -> Iterator[SpecError]:
    yield from problems
    yield _error("cni-type", place, 'the plugin has no "type"', allowed=_ALLOWED_TYPE)


def _capabilities_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    capabilities = conf[key]
    if capabilities is None:
        return ()
    where = join(path, key)
    if not isinstance(capabilities, dict):
        return (_wrong_type("cni-capabilities", where, capabilities, allowed="an object of true and false"),)
    if _FLAGS.issuperset(map(type, capabilities.values())):
        return ()
    wrong = ((name, flag) for name, flag in capabilities.items() if not isinstance(flag, bool))
    return (_wrong_type("cni-capabilities", join(where, name), flag, allowed="true or false") for name, flag in wrong)


_FLAGS = frozenset({bool})
"""The type of a flag."""


def _ipam_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    if conf[key] is None:
        return ()
    return _object_problems(conf[key], join(path, key), _IPAM)


def _dns_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    dns, where = conf[key], join(path, key)
    if not isinstance(dns, dict | None):
        yield _wrong_type("cni-dns", where, dns, allowed="an object")
        return
    for name, value in (dns or {}).items():
        if name == "domain" and not isinstance(value, str | None):
            yield _wrong_type("cni-dns", join(where, name), value, allowed="a string")
        elif name in _DNS_LISTS and not (value is None or _is_string_list(value)):
            yield _wrong_type("cni-dns", join(where, name), value, allowed="a list of strings")


def _is_string_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _args_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    return _object_problems(conf[key], join(path, key), _ARGS)


def _cni_args_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    if isinstance(conf[key], dict):
        return ()
    return (_wrong_type("cni-args", join(path, key), conf[key], allowed="an object"),)


def _reserved_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """Check a key that the runtime fills in: its value must be an object, which the runtime can extend."""
    if isinstance(conf[key], dict | None):
        return ()
    return (_wrong_type("cni-reserved", join(path, key), conf[key], allowed="an object"),)


def _delegate_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    """NB: a delegate may lack `type`: flannel's is a bridge by default."""
    if conf[key] is None:
        return ()
    return _object_problems(conf[key], join(path, key), _DELEGATE)


def _delegates_problems(conf: Conf, key: str, path: str) -> Iterable[SpecError]:
    delegates, where = conf[key], join(path, key)
    if not isinstance(delegates, list | None):
        yield _wrong_type("cni-delegate", where, delegates, allowed="a list of objects")
    for index, delegate in enumerate(delegates if isinstance(delegates, list) else ()):
        yield from _object_problems(delegate, f"{where}[{index}]", _DELEGATE)


def _error(rule: str, path: str, detail: str, *, section: str = SECTION, **more: Any) -> SpecError:
    return SpecError(rule=rule, path=path, detail=detail, section=section, **more)


def _wrong_type(rule: str, path: str, value: object, *, allowed: str) -> SpecError:
    detail = "wrong JSON type: null" if value is None else "wrong JSON type"
    return _error(rule, path, detail, value=value, allowed=allowed)


_PLUGIN_CHECKS: Mapping[str, Check] = {
    "name": _overwritten_problems,
    "cniVersion": _overwritten_problems,
    "type": _type_problems,
    "capabilities": _capabilities_problems,
    "ipam": _ipam_problems,
    "dns": _dns_problems,
    "args": _args_problems,
    "runtimeConfig": _reserved_problems,
    "prevResult": _reserved_problems,
    "delegate": _delegate_problems,
    "delegates": _delegates_problems,
}
_DELEGATE_CHECKS: Mapping[str, Check] = {
    **_PLUGIN_CHECKS,
    "type": _list_type_problems,
    "plugins": _plugins_problems,
}
_NETWORK_CHECKS: Mapping[str, Check] = {
    **_DELEGATE_CHECKS,
    "name": _network_name_problems,
    "cniVersion": _version_problems,
    "cniVersions": _versions_problems,
    "disableCheck": _flag_problems,
    "disableGC": _flag_problems,
    "loadOnlyInlinedPlugins": _flag_problems,
}

_IPAM = _Form({"type": _ipam_type_problems}, known=_IPAM_KEYS, rule="cni-ipam")
_ARGS = _Form({"cni": _cni_args_problems}, known=_ARGS_KEYS, rule="cni-args")
_PLUGIN = _Form(_PLUGIN_CHECKS, known=_CONFIG_KEYS, rule="cni-object")
_DELEGATE = _Form(_DELEGATE_CHECKS, known=_CONFIG_KEYS, rule="cni-delegate")
_NETWORK = _Form(_NETWORK_CHECKS, known=_CONFIG_KEYS, rule="cni-object")
