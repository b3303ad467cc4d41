"""The ConfigMap, read by read, with the in-process API server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.apiserver import failure
from tests.fakes.objects import write_kubeconfig
from webhook.configuration.configmap import EVENT_TRIES, ConfigurationMap, MapTiming
from webhook.configuration.current import CurrentConfiguration
from webhook.kube.connection import Connection

from .configmapserver import CONFIG_MAPS, EVENTS, NAME, NAMESPACE, PATH, ConfigMapServer
from .texts import BAD, HONOR, OFF, TOP_UP

WHERE = f"ConfigMap {NAMESPACE}/{NAME}"


class Replica:
    """The part of one process; `look` is a turn of its thread."""

    def __init__(self, kubeconfig: Path) -> None:
        self.now = 0.0
        self.current = CurrentConfiguration(now=lambda: 0.0, own_schemas={})
        self.connection = Connection(kubeconfig, environ={})
        self.part = ConfigurationMap(
            self.connection, NAMESPACE, NAME, self.current, timing=MapTiming(poll_s=0.001), clock=lambda: self.now
        )

    def look(self, times: int = 1) -> str:
        """Read the ConfigMap, and return the mode in force."""
        for _ in range(times):
            self.part.look()
        return self.mode

    @property
    def mode(self) -> str:
        injection = self.current.value.injection
        return "off" if injection is None else injection.mode

    @property
    def is_refused(self) -> bool:
        return self.current.state.refused is not None


@pytest.fixture
def api() -> Iterator[ConfigMapServer]:
    with ConfigMapServer() as api:
        yield api


@pytest.fixture
def start(api: ConfigMapServer, tmp_path: Path) -> Iterator[Callable[[], Replica]]:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api.url)
    made: list[Replica] = []

    def make() -> Replica:
        made.append(Replica(kubeconfig))
        return made[-1]

    yield make
    for replica in made:
        replica.connection.close()


@pytest.fixture
def replica(start: Callable[[], Replica]) -> Replica:
    return start()


def test_a_replica_is_not_ready_before_its_first_read(replica: Replica) -> None:
    assert replica.part.problem() == f"{WHERE} has not been read yet"


def test_without_a_configmap_the_defaults_are_in_force(replica: Replica) -> None:
    assert replica.look() == "topUp"
    assert replica.part.problem() is None
    assert replica.current.describe()["source"] == f"defaults: there is no {WHERE}"


def test_without_the_key_the_defaults_are_in_force(api: ConfigMapServer, replica: Replica) -> None:
    api.write()
    assert replica.look() == "topUp"
    assert replica.part.problem() is None
    assert replica.current.describe()["source"] == f"defaults: {WHERE} has no config.yaml"
    assert api.patches() == []


def test_a_right_text_is_in_force_and_kept(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=HONOR)
    assert replica.look() == "honor"
    assert api.texts() == {"config.yaml": HONOR.decode(), "last-good.yaml": HONOR.decode()}
    api.edit(config=OFF)
    assert replica.look(3) == "off"
    assert api.texts()["last-good.yaml"] == OFF.decode()
    assert api.patches() == [200, 200]
    assert api.events() == []


def test_a_wrong_text_changes_nothing_and_makes_one_event(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=HONOR)
    replica.look()
    api.edit(config=BAD)
    assert replica.look(3) == "honor"
    assert replica.part.problem() is None
    assert api.texts()["last-good.yaml"] == HONOR.decode()
    assert api.event_tries() == 1
    (event,) = api.events()
    assert (event["type"], event["reason"], event["metadata"]["namespace"]) == (
        "Warning",
        "ConfigurationRefused",
        NAMESPACE,
    )
    assert event["regarding"]["kind"] == "ConfigMap"
    assert event["regarding"]["uid"] == "uid-1"
    assert event["note"] == (
        f'refused: {WHERE}, config.yaml:3:13: injection.mode: unknown value: "honour"; did you mean "honor"? allowed: '
        f'"topUp", "honor"; in force: {WHERE}, config.yaml; kubectl -n {NAMESPACE} edit configmap {NAME} corrects it'
    )


def test_its_correction_makes_an_event(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=HONOR)
    replica.look()
    for text in (BAD, HONOR, OFF):
        api.edit(config=text)
        replica.look(2)
    assert api.reasons() == ["ConfigurationRefused", "ConfigurationAccepted"]
    assert not replica.is_refused


def test_replicas_write_one_event(api: ConfigMapServer, start: Callable[[], Replica]) -> None:
    replicas = [start() for _ in range(3)]
    for text in (HONOR, BAD, TOP_UP):
        api.write(config=text)
        for replica in replicas:
            replica.look()
    assert api.event_tries() == 6
    assert api.reasons() == ["ConfigurationRefused", "ConfigurationAccepted"]


def test_a_replica_that_starts_while_the_text_is_wrong_has_the_last_good_one(
    api: ConfigMapServer, start: Callable[[], Replica]
) -> None:
    old, new = start(), start()
    api.write(config=HONOR)
    old.look()
    api.edit(config=BAD)
    assert old.look() == new.look() == "honor"
    assert new.part.problem() is None
    assert new.is_refused
    assert new.current.describe()["source"] == f"{WHERE}, last-good.yaml"
    assert new.current.state.loaded.sha256 == old.current.state.loaded.sha256
    api.edit(config=OFF)
    assert new.look() == "off"
    assert not new.is_refused


def test_a_replica_that_starts_before_any_right_text_is_not_ready(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=BAD)
    replica.look(2)
    problem = replica.part.problem()
    assert problem is not None
    assert problem.startswith(f"{WHERE}, config.yaml:3:13: injection.mode: ")
    assert problem.endswith("correct it, or take config.yaml away for the defaults")
    (event,) = api.events()
    assert "; in force: nothing; " in event["note"]
    api.write(config=BAD, last_good=OFF)  # an administrator corrects it
    assert replica.look() == "off"
    assert replica.part.problem() is None


def test_a_last_good_text_that_is_now_wrong_does_not_count(api: ConfigMapServer, replica: Replica) -> None:
    """A downgrade can make the last good text wrong."""
    api.write(config=BAD, last_good=BAD)
    replica.look()
    assert replica.part.problem() is not None
    api.write()
    assert replica.look() == "topUp"
    assert replica.part.problem() is None


def test_removing_the_key_restores_the_defaults(api: ConfigMapServer, replica: Replica) -> None:
    """The last good text goes as well: a replica that starts while the next text is wrong has the defaults."""
    api.write(config=OFF)
    replica.look()
    api.edit(config=None)
    assert replica.look() == "topUp"
    assert api.texts() == {}


def test_deleting_the_configmap_restores_the_defaults(api: ConfigMapServer, replica: Replica) -> None:
    """A `kubectl replace --force` changes nothing; a deletion counts after the second read."""
    api.write(config=OFF)
    replica.look()
    api.remove()
    assert replica.look() == "off"
    api.write(config=OFF)
    assert replica.look() == "off"
    api.remove()
    assert replica.look(2) == "topUp"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            403,
            "{what}: get is forbidden: as the test says; grant get on configmaps of this name to this account in a Role",
        ),
        (
            401,
            "{server}: the credentials are refused: as the test says; renew the token or the certificate of this account",
        ),
        (500, "{what}: get failed with 500: as the test says; see the log of the API server at {server}"),
    ],
)
def test_a_configmap_that_cannot_be_read_changes_nothing(
    api: ConfigMapServer, replica: Replica, code: int, text: str
) -> None:
    api.write(config=OFF)
    api.instead = lambda _request: failure(code, "as the test says")
    replica.look()
    line = text.format(what=f"configmaps {NAMESPACE}/{NAME}", server=api.url)
    assert replica.part.problem() == f"{WHERE} has not been read yet: {line}"
    api.instead = lambda _request: None
    assert replica.look() == "off"
    assert replica.part.problem() is None
    api.instead = lambda _request: failure(code, "as the test says")
    assert replica.look() == "off"
    assert replica.part.problem() is None
    assert replica.current.state.unreadable == line


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"metadata": {}, "data": {"config.yaml": 7}}', b"\xff"])
def test_a_malformed_answer_changes_nothing(api: ConfigMapServer, replica: Replica, answer: bytes) -> None:
    api.answer_always[PATH] = (200, answer)
    replica.look()
    assert f"{WHERE}: not what an API server answers" in (replica.part.problem() or "")


def test_bytes_that_are_not_text_are_refused(api: ConfigMapServer, replica: Replica) -> None:
    """kubectl writes them to `binaryData`."""
    metadata = {"namespace": NAMESPACE, "name": NAME, "uid": "uid-1"}
    data = base64.b64encode(b"\xff").decode()
    api.put(CONFIG_MAPS, {"metadata": metadata, "binaryData": {"config.yaml": data}})
    replica.look()
    assert "not UTF-8: byte 0xff" in (replica.part.problem() or "")


def test_an_object_that_changed_meanwhile_is_not_written(api: ConfigMapServer, replica: Replica) -> None:
    """The last good text is never older than the text beside it."""
    api.write(config=HONOR)
    found = replica.part._config_map.read()
    assert found is not None
    replica.look()  # another replica was faster
    api.edit(config=OFF)
    replica.part._config_map.write(found, "last-good.yaml", HONOR)
    assert api.patches() == [200, 409]
    assert api.texts() == {"config.yaml": OFF.decode(), "last-good.yaml": HONOR.decode()}
    assert replica.look() == "off"
    assert api.texts()["last-good.yaml"] == OFF.decode()


def test_without_the_right_to_write_it_works_and_rarely_tries(
    api: ConfigMapServer, replica: Replica, caplog: pytest.LogCaptureFixture
) -> None:
    api.instead = lambda request: None if request.method == "GET" else failure(403)
    api.write(config=HONOR)
    assert replica.look(5) == "honor"
    assert api.patches() == [403]
    replica.now = 60.0
    replica.look(5)
    assert api.patches() == [403, 403]
    api.edit(config=BAD)
    assert replica.look(5) == "honor"
    assert api.event_tries() == EVENT_TRIES
    assert replica.part.problem() is None


def test_an_event_that_could_not_be_written_is_tried_again(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=HONOR)
    replica.look()
    api.instead = lambda request: failure(503) if request.path == EVENTS else None
    api.edit(config=BAD)
    replica.look()
    assert api.events() == []
    api.instead = lambda _request: None
    replica.look()
    assert api.reasons() == ["ConfigurationRefused"]


def test_the_thread_reads_and_ends(api: ConfigMapServer, replica: Replica) -> None:
    api.write(config=HONOR)
    replica.part.start()
    api.wait(api.patches)
    api.edit(config=BAD)
    api.wait(api.events)
    assert replica.mode == "honor"
    replica.part.stop()
    assert not replica.part._thread.is_alive()
