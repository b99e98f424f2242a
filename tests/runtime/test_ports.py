"""Ports of web dynos: found free, declared once, picked for successors."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from changeover.errors import HostFull
from changeover.runtime.ports import PortPool

HOME = Path("/nowhere")


def test_a_pool_has_room_for_every_dyno_and_its_successor() -> None:
    pool = PortPool().grown(3, taken=(), home=HOME)

    assert len(set(pool.ports)) == 6
    assert pool.grown(3, taken=(), home=HOME) is pool
    assert pool.grown(5, taken=(), home=HOME).ports[:6] == pool.ports


def test_two_pools_share_nothing() -> None:
    first = PortPool().grown(3, taken=(), home=HOME)

    assert not set(first.ports) & set(PortPool().grown(3, taken=first.ports, home=HOME).ports)


def test_a_port_that_somebody_else_took_is_passed_over() -> None:
    pool = PortPool().grown(2, taken=(), home=HOME)
    with socket.create_server(("127.0.0.1", pool.ports[0])):
        assert pool.pick(1, in_use=pool.ports[1:2]) == pool.ports[2:3]


def test_too_many_are_refused() -> None:
    pool = PortPool().grown(2, taken=(), home=HOME)

    with pytest.raises(HostFull, match="No port is free"):
        pool.pick(3, in_use=pool.ports[:2])
