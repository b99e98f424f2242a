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


def test_ports_that_another_process_took_are_replaced_where_no_own_dyno_uses_them() -> None:
    pool = PortPool().grown(2, taken=(), home=HOME)
    used, stolen, free = pool.ports[0], pool.ports[1:3], pool.ports[3]
    with (
        socket.create_server(("127.0.0.1", used)),
        socket.create_server(("127.0.0.1", stolen[0])),
        socket.create_server(("0.0.0.0", stolen[1])),  # noqa: S104
    ):
        settled = pool.grown(2, taken=(), home=HOME, in_use=[used])

        assert settled.ports[:2] == (used, free)
        assert len(settled.ports) == 4
        assert len(settled.pick(3, in_use=[used])) == 3


def test_too_many_are_refused() -> None:
    pool = PortPool().grown(2, taken=(), home=HOME)

    with pytest.raises(HostFull, match="No port is free"):
        pool.pick(3, in_use=pool.ports[:2])
