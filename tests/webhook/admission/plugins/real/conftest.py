from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook.admission.plugins.real.node import Node, skip_unless_possible


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    skip_unless_possible()
    with Node(tmp_path_factory.mktemp("node")) as made:
        yield made
