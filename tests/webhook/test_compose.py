"""The names that the composition root derives from settings."""

from __future__ import annotations

from webhook.compose import ClusterSettings, certificate_names, webhook_configurations
from webhook.kube.connection import Connection


def test_names_of_the_certificate_and_of_the_webhook_configurations() -> None:
    assert certificate_names(ClusterSettings(), "n", ["localhost"]) == (
        "nadmit-webhook",
        "nadmit-webhook.n",
        "nadmit-webhook.n.svc",
        "nadmit-webhook.n.svc.cluster.local",
        "localhost",
    )
    settings = ClusterSettings(webhook_url="https://[::1]:8443/x", webhook_configuration="c")
    assert certificate_names(settings, "n", ["::1"])[-1] == "::1"
    connection = Connection(None, environ={})
    names = webhook_configurations(connection, settings).names
    assert names == ("MutatingWebhookConfiguration/c", "ValidatingWebhookConfiguration/c")
    assert webhook_configurations(connection, ClusterSettings()).names == ()
