"""A container that Multus attached: DEL detaches it by the cache of Multus, and then removes the cache."""

from __future__ import annotations

import base64
import json

import pytest

from .leaknode import CONTAINER, World, unchanged

pytestmark = pytest.mark.root


def test_the_cache_of_a_detached_container_goes(world: World) -> None:
    """Also if the first DEL fails: the cache becomes a record, and the file goes with the DEL that succeeds."""
    network = world.book_network("first")
    cache = world.root / "multus" / CONTAINER
    with unchanged(world):
        world.add(world.conf([network]))
        (world.records / f"{CONTAINER}.journal").unlink()
        cache.parent.mkdir()
        encoded = base64.b64encode(json.dumps(network).encode()).decode()
        cache.write_text(json.dumps([{"Name": "first", "Bytes": encoded}]))
        broken = world.root / "own" / "book"
        broken.rename(world.root / "away")
        world.fail("DEL", world.conf([network]))
        assert cache.exists()
        (world.root / "away").rename(broken)
        world.succeed("DEL", world.conf([network]))
        assert not cache.exists()
    assert world.leases() == []
