"""The fixtures of the profiles about webhooks: the webhook, and what a test needs of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from conformance.rig.daemon import DaemonError
from conformance.subject import Subject, SubjectError

from .hook import CHANGES, DEFINITIONS, PODS, Webhook
from .hookserver import running
from .samples import NETWORKS, pod
from .testcluster import INJECTING_LABEL

NO_WEBHOOK = 4
"""The exit code of pytest for a wrong usage."""
_LOOK_S = 0.2


@pytest.fixture(scope="session")
def webhook(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The webhook of the subject. The run ends if there is none: no test can pass then."""
    if subject.webhook is None:
        pytest.exit("the subject file has no `webhook`", NO_WEBHOOK)
    with ExitStack() as stack:
        try:
            made = stack.enter_context(running(subject, tmp_path_factory.mktemp("webhook")))
        except (SubjectError, DaemonError, OSError) as error:
            pytest.exit(f"the webhook of the subject cannot be tested: {error}", NO_WEBHOOK)
        yield made


def _needs(webhook: Webhook, kind: str) -> str:
    if kind not in webhook.paths:
        pytest.skip(f"the webhook does not serve {kind}")
    return kind


@pytest.fixture(params=[DEFINITIONS, PODS])
def judged(request: pytest.FixtureRequest, webhook: Webhook) -> str:
    """Each kind of review that a webhook may answer with a verdict."""
    return _needs(webhook, request.param)


@pytest.fixture
def judges_definitions(webhook: Webhook) -> str:
    """Skip the test if the webhook does not judge definitions."""
    return _needs(webhook, DEFINITIONS)


@pytest.fixture
def judges_pods(webhook: Webhook) -> str:
    """Skip the test if the webhook does not judge pods."""
    return _needs(webhook, PODS)


@pytest.fixture
def changes_pods(webhook: Webhook) -> str:
    """Skip the test if the webhook does not change pods."""
    return _needs(webhook, CHANGES)


@pytest.fixture(scope="session")
def gives_annotations(subject: Subject, webhook: Webhook) -> None:
    """Wait until the webhook has read the settings that give annotations."""
    webhook.needs_feature("annotations-by-label")
    assert subject.webhook is not None
    asking = pod(labels={INJECTING_LABEL: "true"})
    deadline = time.monotonic() + subject.webhook.settles_s
    while time.monotonic() < deadline:
        if NETWORKS in webhook.change(asking).pod["metadata"].get("annotations", {}):
            return
        time.sleep(_LOOK_S)
