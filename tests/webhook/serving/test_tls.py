"""The certificate of the port: which pairs are served, and how they are swapped under load."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from certs.authority import Pair, issue_ca, issue_leaf, make_key, parse_key, parse_name, render_certificate, render_key
from certs.certfiles import bootstrap, write_whole
from webhook.serving.tls import CertificateError, MemoryTls, ServerTls, Validity

from .harness import Client, client_context, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DAY = timedelta(days=1)
NOW = datetime.now(UTC)


def renewed(pki: Path, now: datetime = NOW) -> tuple[bytes, bytes]:
    """Return another leaf of the same authority, and its key."""
    ca = Pair(x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes()), _key(pki / "ca.key"))
    key = make_key()
    names = [parse_name(name) for name in ("localhost", "127.0.0.1")]
    return render_certificate(issue_leaf(ca, key, names, now=now)), render_key(key)


def _key(path: Path) -> EllipticCurvePrivateKey:
    return parse_key(path.read_bytes())


def swap(pki: Path, certificate: bytes, key: bytes) -> None:
    write_whole(pki / "tls.key", key, 0o600)
    write_whole(pki / "tls.crt", certificate, 0o644)


def serial_of(pem: bytes) -> str:
    text = f"{x509.load_pem_x509_certificate(pem).serial_number:X}"
    return text.zfill(len(text) + len(text) % 2)


def encrypted(path: Path) -> bytes:
    return bytes(_key(path).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))


def _make_directory_of_key(pki: Path) -> None:
    (pki / "tls.key").unlink()
    (pki / "tls.key").mkdir()


BAD_PAIRS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing certificate": (
        lambda pki: (pki / "tls.crt").unlink(),
        "certificate file {0}/tls.crt: cannot be read: no such file or directory; give a PEM file that this user may read",
    ),
    "missing key": (
        lambda pki: (pki / "tls.key").unlink(),
        "key file {0}/tls.key: cannot be read: no such file or directory; give a PEM file that this user may read",
    ),
    "directory": (
        _make_directory_of_key,
        "key file {0}/tls.key: cannot be read: is a directory; give a PEM file that this user may read",
    ),
    "truncated certificate": (
        lambda pki: os.truncate(pki / "tls.crt", 300),
        "certificate file {0}/tls.crt: not a PEM certificate; allowed: the leaf first, then intermediates",
    ),
    "empty certificate": (
        lambda pki: os.truncate(pki / "tls.crt", 0),
        "certificate file {0}/tls.crt: not a PEM certificate; allowed: the leaf first, then intermediates",
    ),
    "truncated key": (
        lambda pki: os.truncate(pki / "tls.key", 100),
        "key file {0}/tls.key: not a PEM private key; allowed: PKCS#8, EC or RSA",
    ),
    "encrypted key": (
        lambda pki: (pki / "tls.key").write_bytes(encrypted(pki / "tls.key")),
        "key file {0}/tls.key: encrypted; allowed: an unencrypted key (openssl pkey -in KEY -out NEW)",
    ),
    "mismatch": (
        lambda pki: (pki / "tls.key").write_bytes(renewed(pki)[1]),
        "key file {0}/tls.key: does not belong to the certificate in {0}/tls.crt; give a pair",
    ),
}


def load(pki: Path) -> None:
    ServerTls(pki / "tls.crt", pki / "tls.key", now=time.time).load()


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_pair_is_refused_in_one_line(own_pki: Path, case: str) -> None:
    spoil, text = BAD_PAIRS[case]
    spoil(own_pki)
    with pytest.raises(CertificateError) as caught:
        load(own_pki)
    assert str(caught.value) == text.format(own_pki)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_key(own_pki: Path) -> None:
    (own_pki / "tls.key").chmod(0)
    with pytest.raises(CertificateError, match=r"tls\.key: cannot be read: permission denied; give a PEM file"):
        load(own_pki)


def test_expired_pair_is_refused(own_pki: Path) -> None:
    swap(own_pki, *renewed(own_pki, NOW - timedelta(days=366)))
    with pytest.raises(CertificateError, match=r"tls\.crt: expired at \d{4}-.*Z; renew it$"):
        load(own_pki)


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_change_keeps_the_pair_and_warns_once(own_pki: Path, case: str, caplog: pytest.LogCaptureFixture) -> None:
    errors: list[str] = []
    reloads: list[float] = []
    tls = ServerTls(
        own_pki / "tls.crt",
        own_pki / "tls.key",
        now=time.time,
        on_reload=lambda validity: reloads.append(validity.not_after),
        on_error=errors.append,
    )
    tls.load()
    not_after, good = tls.not_after, renewed(own_pki)
    spoil, text = BAD_PAIRS[case]
    spoil(own_pki)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tls.poll()
    assert [record.message for record in caplog.records] == [
        f"{text.format(own_pki)}; the previous certificate stays in use"
    ]
    assert errors == [text.format(own_pki)]
    assert (tls.not_after, reloads) == (not_after, [not_after])
    shutil.rmtree(own_pki / "tls.key", ignore_errors=True)
    swap(own_pki, *good)
    tls.poll()
    assert tls.not_after == reloads[-1]
    assert len(reloads) == 2
    tls.poll()
    assert len(reloads) == 2


def test_a_pair_that_is_not_valid_yet_is_served_with_a_warning(own_pki: Path, caplog: pytest.LogCaptureFixture) -> None:
    swap(own_pki, *renewed(own_pki, NOW + timedelta(hours=3)))
    validities: list[Validity] = []
    tls = ServerTls(
        own_pki / "tls.crt", own_pki / "tls.key", now=NOW.replace(microsecond=0).timestamp, on_reload=validities.append
    )
    with caplog.at_level(logging.WARNING):
        tls.load()
        tls.poll()
    (warning,) = [record.message for record in caplog.records]
    begins = datetime.fromtimestamp(validities[0].not_before, UTC)
    assert warning == (
        f"certificate file {own_pki}/tls.crt: not valid before {begins:%Y-%m-%d %H:%M:%SZ}, in 2:55:00: it is served, but "
        "an API server with the same clock refuses it until then; compare the clocks, or renew it"
    )
    assert validities[0].not_after == tls.not_after


def test_reread_says_whether_the_pair_is_new(own_pki: Path) -> None:
    tls = ServerTls(own_pki / "tls.crt", own_pki / "tls.key", now=time.time)
    tls.load()
    assert tls.reread() is None
    swap(own_pki, *renewed(own_pki))
    assert tls.reread() is True
    (own_pki / "tls.crt").write_text("garbage")
    assert tls.reread() is False
    assert tls.not_after


def test_swapped_symlink_is_seen(own_pki: Path, tmp_path: Path) -> None:
    """The kubelet does so: tls.crt -> ..data/tls.crt, ..data -> a directory, replaced by a rename."""
    mount = tmp_path / "mount"
    mount.mkdir()
    for number, (certificate, key) in enumerate((renewed(own_pki), renewed(own_pki, NOW - timedelta(days=1)))):
        (mount / f"..{number}").mkdir()
        (mount / f"..{number}" / "tls.crt").write_bytes(certificate)
        (mount / f"..{number}" / "tls.key").write_bytes(key)
    (mount / "..data").symlink_to("..0")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    tls = ServerTls(mount / "tls.crt", mount / "tls.key", now=time.time)
    tls.load()
    before = tls.not_after
    (mount / "..new").symlink_to("..1")
    (mount / "..new").replace(mount / "..data")
    tls.poll()
    assert before - tls.not_after == pytest.approx(86400, abs=2)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_strict_verification_succeeds(pki: Path, context: ssl.SSLContext, name: str) -> None:
    with running(pki) as server, Client(server.addresses.webhook, context, name) as client:
        assert client.post().status == 200
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.version() == "TLSv1.3"


def test_wrong_name_is_refused_by_the_client(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server, pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
        Client(server.addresses.webhook, context, "elsewhere").close()


def test_client_without_sni(pki: Path, context: ssl.SSLContext) -> None:
    context.check_hostname = False
    with running(pki) as server, Client(server.addresses.webhook, context, None) as client:  # type: ignore[arg-type]
        assert client.post().status == 200


def test_alpn_is_http_1_1(pki: Path, context: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["h2", "http/1.1"])
    with running(pki) as server, Client(server.addresses.webhook, context) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.selected_alpn_protocol() == "http/1.1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_refused"), [("TLSv1_1", True), ("TLSv1_2", False)])
def test_oldest_version(pki: Path, context: ssl.SSLContext, version: str, *, is_refused: bool) -> None:
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # otherwise OpenSSL refuses TLS 1.1 on the client's side
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with running(pki) as server:
        if is_refused:
            with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|UNEXPECTED_EOF"):
                Client(server.addresses.webhook, context).close()
        else:
            with Client(server.addresses.webhook, context) as client:
                assert client.post().status == 200


def test_new_connections_get_the_new_leaf_and_old_ones_stay(own_pki: Path) -> None:
    context = client_context(own_pki)
    with running(own_pki) as server, Client(server.addresses.webhook, context) as old:
        before = old.serial
        certificate, key = renewed(own_pki)
        write_whole(own_pki / "tls.crt", certificate, 0o644)
        server.reload()  # before the key is written
        with Client(server.addresses.webhook, context) as between:
            assert between.serial == before
        write_whole(own_pki / "tls.key", key, 0o600)
        server.reload()
        with Client(server.addresses.webhook, context) as new:
            assert new.serial == serial_of(certificate) != before
            assert new.post().status == 200
        assert old.post().status == 200


def test_session_of_the_old_leaf_is_not_resumed(own_pki: Path) -> None:
    context = client_context(own_pki)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in TLS 1.2 the session exists after the handshake
    with running(own_pki) as server, Client(server.addresses.webhook, context) as old:
        assert isinstance(old.sock, ssl.SSLSocket)
        assert old.sock.session is None or not old.sock.session.has_ticket


@pytest.mark.slow
def test_swap_under_load_loses_nothing(own_pki: Path) -> None:
    context = client_context(own_pki)
    done = threading.Event()
    answered = [0, 0, 0]
    failures: list[BaseException] = []

    def keep_alive(place: int) -> None:
        with Client(server.addresses.webhook, context) as client:
            while not done.is_set():
                assert client.post().status == 200
                answered[place] += 1

    def reconnect(place: int) -> None:
        while not done.is_set():
            with Client(server.addresses.webhook, context) as client:
                assert client.post().status == 200
                answered[place] += 1

    def guarded(target: Callable[[int], None], place: int) -> None:
        try:
            target(place)
        except BaseException as error:  # noqa: BLE001 - also the assertions of the test
            failures.append(error)

    with running(own_pki) as server:
        threads = [
            threading.Thread(target=guarded, args=(target, place))
            for place, target in enumerate((keep_alive, keep_alive, reconnect))
        ]
        for thread in threads:
            thread.start()
        serials = set()
        for _ in range(20):
            certificate, key = renewed(own_pki)
            write_whole(own_pki / "tls.crt", certificate, 0o644)
            server.reload()
            write_whole(own_pki / "tls.key", key, 0o600)
            server.reload()
            with Client(server.addresses.webhook, context) as client:
                assert client.serial == serial_of(certificate)
                serials.add(client.serial)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(serials) == 20
    assert min(answered) > 0


def test_foreign_authority_is_not_trusted(pki: Path, tmp_path: Path) -> None:
    key = make_key()
    (tmp_path / "ca.crt").write_bytes(render_certificate(issue_ca(key, now=NOW)))
    with running(pki) as server, pytest.raises(ssl.SSLCertVerificationError):
        Client(server.addresses.webhook, client_context(tmp_path)).close()


def test_watching_polls(own_pki: Path) -> None:
    """This is the only test of the timer."""
    reloaded = threading.Event()
    tls = ServerTls(own_pki / "tls.crt", own_pki / "tls.key", now=time.time, on_reload=lambda _end: reloaded.set())
    tls.load()
    reloaded.clear()
    bootstrap(own_pki, ["other"], NOW)
    with tls.watched(0.005):
        assert reloaded.wait(5)
    assert tls.not_after > time.time()


# A pair from memory


def make_pair(now: datetime = NOW) -> tuple[bytes, bytes]:
    ca_key, key = make_key(), make_key()
    ca = Pair(issue_ca(ca_key, now=now), ca_key)
    return render_certificate(issue_leaf(ca, key, [parse_name("localhost")], now=now, lifetime=DAY)), render_key(key)


def test_a_pair_is_taken_or_the_old_one_stays() -> None:
    ends: list[float] = []
    tls = MemoryTls("Secret n/tls", now=time.time, on_reload=lambda validity: ends.append(validity.not_after))
    tls.take(*make_pair())
    context = tls._current
    assert ends == [tls.not_after]
    for certificate, key, text in (
        (*make_pair(NOW - 2 * DAY), "tls.crt of Secret n/tls: expired at "),
        (
            make_pair()[0],
            make_pair()[1],
            "tls.key of Secret n/tls: does not belong to the certificate in tls.crt of Secret",
        ),
        (b"x", b"x", "tls.crt of Secret n/tls: not a PEM certificate"),
    ):
        with pytest.raises(CertificateError, match=f"^{text}"):
            tls.take(certificate, key)
    assert tls._current is context
    assert ends == [tls.not_after]


def test_a_poll_before_the_first_pair_serves_nothing() -> None:
    tls = MemoryTls("Secret n/tls", now=time.time, on_reload=lambda _end: None)
    tls.poll()
    assert tls.not_after == 0
