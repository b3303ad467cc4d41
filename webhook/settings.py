"""What a server is told, once, at its start: one frozen value. Defaults are the embedded mode's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cniplugin.access.model.values import Rules
from webhook.admission.model.kinds import NETWORK_NAMESPACE
from webhook.serving.clients import ClientTrust
from webhook.serving.http import Limits

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """What only a cluster has a use for; see the options of the same names.

    `namespace`: None for that of the pod's service account. `tls_secret`, `webhook_configuration`: None for none.
    `webhook_url`: None for the Service. `ca_file`: None for `ca.crt` of `cert_dir`. `network_in_use`: Warn, Deny or
    Off. `path_token`: whether paths that are registered need a token; `path_token_secret`: where it is when the
    certificate is in files, None for `cert_dir`. `config_map`: has the NadmitConfiguration; None: its defaults.
    """

    namespace: str | None = None
    tls_secret: str | None = None
    service: str = "nadmit-webhook"
    webhook_configuration: str | None = None
    webhook_url: str | None = None
    ca_file: Path | None = None
    watch_pods: bool = True
    network_in_use: str = "Warn"
    path_token: bool = True
    path_token_secret: str | None = None
    write_status: bool = False
    config_map: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of `nadmit serve`.

    `manifests` is a tree of YAML; None means the cluster that `kubeconfig` (None: the service account, then the
    user's own) points at. `cert_dir` gets a CA and a leaf for `cert_names` when it is empty; `tls_files` (certificate,
    key), when given, are served instead. `client_ca` verifies callers, of whom `client_names` may call (none named:
    all); None: everybody may. `path_token_file`: the tokens of paths, for whoever registers by manifest. `config`: the
    file of a NadmitConfiguration; None: its defaults. `plugin_schemas`: a directory of schemas of CNI plugins; None for
    none.
    """

    manifests: Path | None = None
    kubeconfig: Path | None = None
    listen: Address = ("127.0.0.1", 8443)
    probe_listen: Address = ("127.0.0.1", 8080)
    cert_dir: Path = Path("nadmit-certs")
    cert_names: tuple[str, ...] = ()
    tls_files: tuple[Path, Path] | None = None
    client_ca: Path | None = None
    client_names: tuple[str, ...] = ()
    path_token_file: Path | None = None
    config: Path | None = None
    plugin_schemas: Path | None = None
    rules: Rules = field(default_factory=Rules)
    network_namespace: str = NETWORK_NAMESPACE
    limits: Limits = field(default_factory=Limits)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)

    def client_trust(self) -> ClientTrust | None:
        """Read who may call; None: everybody may. Raises ClientCaError."""
        return None if self.client_ca is None else ClientTrust(self.client_ca, self.client_names)
