"""A meta plugin in a hundred lines: the reference of the suite's simplest cases, not for use.

It reads the selection in both forms, calls delegates, keeps its state in a file, and writes network-status. It has no
capabilities, no checks of values, no CHECK, GC and STATUS.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

NETWORKS, STATUS = "k8s.v1.cni.cncf.io/networks", "k8s.v1.cni.cncf.io/network-status"
VERSIONS = ["0.3.1", "0.4.0", "1.0.0"]


def main() -> Json | None:
    """Serve one call."""
    verb, conf = os.environ["CNI_COMMAND"], json.load(sys.stdin)
    if verb == "VERSION":
        return {"cniVersion": conf["cniVersion"], "supportedVersions": VERSIONS}
    state = Path(conf["stateDir"]) / os.environ["CNI_CONTAINERID"]
    if verb == "ADD":
        return add(conf, state)
    if verb == "DEL" and state.exists():
        delete(conf, state)
    return None


def add(conf: Json, state: Path) -> Json:
    """Attach the default network, then the selection; the file of the state is there before the first attachment."""
    networks = [("eth0", "", conf["delegates"][0]), *selected(conf)]
    state.parent.mkdir(parents=True, exist_ok=True)
    attached: list[Json] = []
    for ifname, name, config in networks:
        attached.append({"ifname": ifname, "name": name or config["name"], "config": config, "result": None})
        state.write_text(json.dumps(attached))
        attached[-1]["result"] = run(conf, "ADD", attached[-1])
    state.write_text(json.dumps(attached))
    write_status(conf, attached)
    first: Json = attached[0]["result"]
    return first


def delete(conf: Json, state: Path) -> None:
    """Detach all, last first; go on after an error, and raise it at the end."""
    attached, failures = json.loads(state.read_text()), []
    for one in reversed(attached):
        try:
            run(conf, "DEL", one)
        except RuntimeError as error:
            failures.append(str(error))
    if failures:
        raise RuntimeError("; ".join(failures))
    state.unlink()


def run(conf: Json, verb: str, one: Json) -> Any:
    """Execute the plugins of a network, and return the last result."""
    config = one["config"]
    plugins = config.get("plugins", [config])
    previous = one["result"]
    for plugin in reversed(plugins) if verb == "DEL" else plugins:
        given = {key: value for key, value in plugin.items() if key != "capabilities"}
        given |= {"cniVersion": config["cniVersion"], "name": config["name"]}
        given |= {"prevResult": previous} if previous else {}
        environ = {**os.environ, "CNI_COMMAND": verb, "CNI_IFNAME": one["ifname"], "CNI_ARGS": args_for(one["ifname"])}
        path = f"{conf['binDir']}/{plugin['type']}"
        done = subprocess.run([path], input=json.dumps(given), env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{one['name']}: {done.stdout or done.stderr}")
        previous = json.loads(done.stdout) if verb == "ADD" else previous
    return previous


def selected(conf: Json) -> Iterator[tuple[str, str, Json]]:
    """Yield interface, name and configuration of each selected network."""
    text = pod(conf)["metadata"].get("annotations", {}).get(NETWORKS, "")
    elements = json.loads(text) if text.startswith("[") else [short(item) for item in text.split(",") if item.strip()]
    for number, element in enumerate(elements, start=1):
        namespace = element.get("namespace") or args()["K8S_POD_NAMESPACE"]
        path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace}/network-attachment-definitions/{element['name']}"
        config = json.loads(ask(conf, path)["spec"]["config"])
        name = element["name"]
        yield element.get("interface", f"net{number}"), f"{namespace}/{name}", {"name": name, **config}


def short(item: str) -> Json:
    """Read an item of the comma form."""
    namespace, _, name = item.strip().rpartition("/")
    return {"name": name, "namespace": namespace}


def write_status(conf: Json, attached: list[Json]) -> None:
    """Write network-status by a merge patch."""
    status = []
    for one in attached:
        links = one["result"].get("interfaces", [])
        place = next((number for number, link in enumerate(links) if link.get("sandbox")), None)
        link = {} if place is None else links[place]
        own = [ip for ip in one["result"].get("ips", []) if ip.get("interface") == place]
        ips = [ip["address"].partition("/")[0] for ip in own]
        found = {"interface": link.get("name", one["ifname"]), "mac": link.get("mac", ""), "ips": ips}
        dns = one["result"].get("dns", {})
        status.append({"name": one["name"], **found, "default": one is attached[0], "dns": dns})
    ask(conf, f"{pod_path()}/status", {"metadata": {"annotations": {STATUS: json.dumps(status)}}})


def args() -> dict[str, str]:
    """Return the pairs of CNI_ARGS."""
    return dict(pair.split("=", 1) for pair in os.environ["CNI_ARGS"].split(";"))


def args_for(ifname: str) -> str:
    """Return CNI_ARGS for an interface: addresses of the runtime are for its own interface."""
    is_own = ifname == os.environ["CNI_IFNAME"]
    return ";".join(f"{key}={value}" for key, value in args().items() if is_own or key not in {"IP", "MAC"})


def pod_path() -> str:
    """Return the path of the pod."""
    return f"/api/v1/namespaces/{args()['K8S_POD_NAMESPACE']}/pods/{args()['K8S_POD_NAME']}"


def pod(conf: Json) -> Json:
    """Return the pod."""
    found: Json = ask(conf, pod_path())
    return found


def ask(conf: Json, path: str, patch: Json | None = None) -> Any:
    """Send a request to the API server of the kubeconfig, which is JSON here."""
    given = json.loads(Path(conf["kubeconfig"]).read_text())
    cluster, user = given["clusters"][0]["cluster"], given["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/merge-patch+json"}
    data, method = (None, "GET") if patch is None else (json.dumps(patch).encode(), "PATCH")
    request = urllib.request.Request(cluster["server"] + path, data, headers, method=method)
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    with urllib.request.urlopen(request, context=context) as answer:
        return json.load(answer)


def answer() -> int:
    """Print the answer or the error of a call, and return the exit code."""
    try:
        found = main()
    except Exception as error:  # noqa: BLE001 - a runtime wants each error as JSON
        print(json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": f"{type(error).__name__}: {error}"}))
        return 1
    if found is not None:
        print(json.dumps(found))
    return 0


sys.exit(answer())
