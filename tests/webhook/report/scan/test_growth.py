"""The work of a scan grows with the objects of the cluster, and not with pairs of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.callcounts import calls
from tests.webhook.report.topology.objects import checks
from webhook.report.scan.finding import Finding
from webhook.report.scan.stock import Stock
from webhook.report.scan.stocktaking import take_stock

from .cluster import Object, clean, entry, macvlan, network, pod, policy, whereabouts


def taken(objects: Iterator[Object]) -> tuple[Counter[str], tuple[Finding, ...]]:
    every = list(objects)
    with calls() as counted:
        stock = Stock()
        for one in every:
            stock.add(one)
        found = take_stock(stock, checks())
    return counted, found


def grows(few: Iterator[Object], many: Iterator[Object], times: int) -> float:
    """Return how much faster than the objects the work grows. What a first call prepares is done before."""
    taken(iter(clean().objects.values()))
    one, other = taken(few)[0], taken(many)[0]
    return sum(other.values()) / (times * sum(one.values()))


@pytest.mark.slow
def test_work_grows_with_namespaces() -> None:
    few, many = (iter(clean(teams=teams).objects.values()) for teams in (10, 40))
    assert grows(few, many, 4) < 1.2


@pytest.mark.slow
def test_work_grows_with_pods() -> None:
    few, many = (iter(clean(pods=pods).objects.values()) for pods in (25, 100))
    assert grows(few, many, 4) < 1.2


def one_segment(number: int) -> Iterator[Object]:
    """Definitions that hand out one range on one segment, each for itself, with policies that name none of them."""
    for at in range(number):
        yield network("blue", f"n{at}", macvlan("eth1", {"type": "host-local", "subnet": "10.1.0.0/16"}))
        yield policy(f"p{at}", {"name": "r", "action": "Allow", "networks": [{"names": [f"n{at}"]}]})


def one_address(number: int) -> Iterator[Object]:
    """Pods that all have one address."""
    yield network("blue", "lan", macvlan("eth1", whereabouts("10.1.0.0/16")))
    for at in range(number):
        yield pod("blue", f"p{at}", f"node{at}", "lan", entry("blue/lan", "10.1.0.5"))


def one_definition(number: int) -> Iterator[Object]:
    """Pods of a definition that gives each of them many addresses."""
    addresses = [{"address": f"10.1.{at // 250}.{at % 250 + 1}/16"} for at in range(number)]
    yield network("blue", "lan", macvlan("eth1", {"type": "static", "addresses": addresses}))
    for at in range(number):
        yield pod("blue", f"p{at}", f"node{at}", "lan", entry("blue/lan", "10.1.0.1"))


@pytest.mark.slow
def test_work_does_not_grow_with_the_addresses_of_a_definition_times_its_pods() -> None:
    assert grows(one_definition(100), one_definition(400), 4) < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("make", [one_segment, one_address])
def test_what_all_share_is_not_compared_in_pairs(make: object) -> None:
    assert callable(make)
    assert grows(make(50), make(200), 4) < 1.2


def test_a_group_is_one_finding() -> None:
    found = taken(one_address(200))[1]
    assert [(one.rule, len(one.others)) for one in found] == [("address-twice", 199)]
    assert found[0].message.endswith("pod blue/p1, pod blue/p10, pod blue/p100, pod blue/p101 and 195 more")
    overlaps = [one for one in taken(one_segment(50))[1] if one.rule == "ranges-overlap"]
    assert len(overlaps) == 49


def test_a_stock_takes_an_object_again() -> None:
    """A list that expires begins anew."""
    every = list(clean().objects.values())
    assert taken(iter(every + json.loads(json.dumps(every))))[1] == taken(iter(every))[1]
