from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from certs.certfiles import bootstrap

from .serving.harness import client_context

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

NAMES = ("localhost", "127.0.0.1", "::1")


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with ca.crt, ca.key, tls.crt and tls.key; tests that change files use `own_pki`."""
    directory = tmp_path_factory.mktemp("pki")
    bootstrap(directory, NAMES, datetime.now(UTC))
    return directory


@pytest.fixture
def own_pki(tmp_path: Path) -> Path:
    bootstrap(tmp_path, NAMES, datetime.now(UTC))
    return tmp_path


@pytest.fixture
def context(pki: Path) -> ssl.SSLContext:
    return client_context(pki)
