"""Client certificates on the webhook port, over real TLS: which callers are accepted, and the answer to the others."""

from __future__ import annotations

import logging
import shutil
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.authority import Pair, issue_ca, make_key, render_certificate, render_key
from certs.certfiles import write_whole
from tests.e2e.process import fail, serving
from webhook.serving.clients import ClientCaError, ClientTrust, refusal_of

from .harness import Client, client_context, request, running

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
API_SERVER = "kube-apiserver"


class Callers:
    """An authority of callers, in a directory."""

    def __init__(self, directory: Path) -> None:
        key = make_key()
        self.directory = directory
        self.pair = Pair(issue_ca(key, now=NOW), key)
        self.file = directory / "clients.crt"
        self.pem = render_certificate(self.pair.certificate)
        self.file.write_bytes(self.pem)

    def context(
        self,
        pki: Path,
        name: str = API_SERVER,
        *,
        dns: tuple[str, ...] = (),
        now: datetime = NOW,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    ) -> ssl.SSLContext:
        """Return the context of a caller with a certificate for this name, valid for a day."""
        key = make_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []))
            .issuer_name(self.pair.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                # It distinguishes two authorities with one name.
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.pair.key.public_key()),
                critical=False,
            )
        )
        if dns:
            names = x509.SubjectAlternativeName([x509.DNSName(one) for one in dns])
            builder = builder.add_extension(names, critical=False)
        file = self.directory / "caller.pem"
        file.write_bytes(render_certificate(builder.sign(self.pair.key, hashes.SHA256())) + render_key(key))
        context = client_context(pki)
        context.load_cert_chain(file)
        return context


@pytest.fixture
def callers(tmp_path: Path) -> Callers:
    return Callers(tmp_path)


def is_let_in(address: tuple[str, int], context: ssl.SSLContext) -> bool:
    """NB: in TLS 1.3 a client learns that its certificate is refused when it reads."""
    try:
        with Client(address, context) as client:
            return client.post().status == 200
    except (ssl.SSLError, ConnectionError, EOFError):
        return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_only_a_good_certificate_of_the_authority_is_accepted(
    pki: Path, callers: Callers, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    (tmp_path / "other").mkdir()
    foreign = Callers(tmp_path / "other")
    contexts = {
        "good": callers.context(pki),
        "none": client_context(pki),
        "of another authority": foreign.context(pki),
        "expired": callers.context(pki, now=NOW - timedelta(days=3)),
        "not yet": callers.context(pki, now=NOW + timedelta(days=3)),
        "of a server": callers.context(pki, usage=ExtendedKeyUsageOID.SERVER_AUTH),
    }
    with running(pki, clients=ClientTrust(callers.file)) as server:
        found = {}
        for case, context in contexts.items():
            context.maximum_version = version
            found[case] = is_let_in(server.addresses.webhook, context)
    assert found == {case: case == "good" for case in contexts}
    assert server.responses == [("/validate", 200)]


def test_without_the_option_callers_need_no_certificate(pki: Path, context: ssl.SSLContext) -> None:
    with running(pki) as server:
        assert is_let_in(server.addresses.webhook, context)


@pytest.mark.parametrize(
    ("name", "dns"), [(API_SERVER, ()), ("", ("a.example", "api.example")), ("x", ("api.example",))]
)
def test_a_right_name_is_a_common_name_or_a_dns_name(
    pki: Path, callers: Callers, name: str, dns: tuple[str, ...]
) -> None:
    names = (API_SERVER, "api.example")
    with (
        running(pki, clients=ClientTrust(callers.file, names)) as server,
        Client(server.addresses.webhook, callers.context(pki, name, dns=dns)) as client,
    ):
        assert client.post().status == 200
        assert client.post().status == 200  # the connection stays open


def test_a_wrong_name_gets_an_answer_and_a_close(pki: Path, callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    context = callers.context(pki, "mallory", dns=("m.example",))
    clients = ClientTrust(callers.file, [API_SERVER])
    message = "client certificate: names mallory, m.example; allowed: kube-apiserver; see --client-name"
    with (
        caplog.at_level(logging.WARNING, "nadmit.serving"),
        running(pki, clients=clients) as server,
    ):
        for path in ("/validate", "/mutate", "/nowhere"):
            with Client(server.addresses.webhook, context) as client:
                answer = client.post(path=path)
                assert (answer.status, answer.closes, answer.text) == (403, True, message)
                assert client.is_at_end()
    assert server.responses == []
    assert [record.getMessage() for record in caplog.records] == [f"a caller is refused: {message}"]


def test_a_wrong_name_with_a_body_in_pieces(pki: Path, callers: Callers) -> None:
    """The body arrives after the head."""
    whole = request(b"x" * 100_000)
    with (
        running(pki, clients=ClientTrust(callers.file, ["other"])) as server,
        Client(server.addresses.webhook, callers.context(pki)) as client,
    ):
        client.send(whole[:200])
        assert client.read().status == 403
        assert client.is_at_end()
    assert server.responses == []


def test_authorities_change_while_it_serves(pki: Path, callers: Callers, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    following = Callers(tmp_path / "next")
    old, new = callers.context(pki), following.context(pki)
    with running(pki, clients=ClientTrust(callers.file)) as server:
        address = server.addresses.webhook
        assert [is_let_in(address, context) for context in (old, new)] == [True, False]
        write_whole(callers.file, callers.pem + following.pem, 0o644)
        server.reload()
        assert [is_let_in(address, context) for context in (old, new)] == [True, True]
        with Client(address, old) as goes_on:
            assert goes_on.post().status == 200
            write_whole(callers.file, following.pem, 0o644)
            server.reload()
            assert goes_on.post().status == 200
        assert [is_let_in(address, context) for context in (old, new)] == [False, True]


def test_a_bad_file_keeps_the_authorities(pki: Path, callers: Callers, caplog: pytest.LogCaptureFixture) -> None:
    good = callers.context(pki)
    with (
        caplog.at_level(logging.WARNING, "nadmit.serving"),
        running(pki, clients=ClientTrust(callers.file)) as server,
    ):
        for text in (b"", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"):
            write_whole(callers.file, text, 0o644)
            server.reload()
            server.reload()
            assert is_let_in(server.addresses.webhook, good)
            assert not is_let_in(server.addresses.webhook, client_context(pki))
        callers.file.unlink()
        server.reload()
        assert is_let_in(server.addresses.webhook, good)
    first, second = (record.getMessage() for record in caplog.records)
    stay = "the previous authorities stay in force"
    assert first == f"client CA file {callers.file}: not PEM certificates; allowed: one or more authorities; {stay}"
    assert second.startswith(f"client CA file {callers.file}: cannot be read: no such file or directory; ")
    assert second.endswith(stay)


def test_authorities_and_the_servers_pair_change_independently(own_pki: Path, callers: Callers, tmp_path: Path) -> None:
    """A new pair still needs client certificates; after a bad pair the authorities stay."""
    good = callers.context(own_pki)
    with running(own_pki, clients=ClientTrust(callers.file)) as server:
        shutil.copy(own_pki / "tls.crt", own_pki / "copy")
        write_whole(own_pki / "tls.crt", (own_pki / "copy").read_bytes(), 0o644)
        server.reload()
        assert is_let_in(server.addresses.webhook, good)
        assert not is_let_in(server.addresses.webhook, client_context(own_pki))
        (own_pki / "tls.crt").write_bytes(b"broken")
        server.reload()
        assert is_let_in(server.addresses.webhook, good)
        assert not is_let_in(server.addresses.webhook, client_context(own_pki))


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bad_file_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "clients.crt"
    if content is not None:
        file.write_bytes(content)
    code, text = fail(tmp_path / "certs", "--client-ca", str(file))
    (line,) = [line for line in text.splitlines() if "INFO" not in line]
    assert code == 1
    assert line.startswith(f"nadmit: client CA file {file}: ")
    with pytest.raises(ClientCaError):
        ClientTrust(file)


@pytest.mark.slow
def test_the_options_of_serve(tmp_path: Path, callers: Callers) -> None:
    certs = tmp_path / "certs"
    options = ("--client-ca", str(callers.file), "--client-name", "other", "--client-name", API_SERVER)
    with serving(certs, *options) as server:
        with Client(server.webhook, callers.context(certs)) as client:
            assert client.post().status == 400  # the answer to a body that is not an AdmissionReview
        with Client(server.webhook, callers.context(certs, "mallory")) as client:
            assert client.post().status == 403
        assert not is_let_in(server.webhook, client_context(certs))
        assert server.get("/readyz") == (200, "ready")  # the plain port needs no certificate
    assert server.process.returncode == 0


def test_a_name_is_shown_harmlessly() -> None:
    certificate = {"subject": ((("commonName", "a\nb" + "x" * 100),),)}
    message = refusal_of(certificate, frozenset({"b", "a"}))
    assert message is not None
    assert message.startswith("client certificate: names a\\nbxxx")
    assert message.endswith("xxx; allowed: a, b; see --client-name")
    assert refusal_of({}, frozenset({"a"})) == "client certificate: names none; allowed: a; see --client-name"
