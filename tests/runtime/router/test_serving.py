"""Who asks for an app's hostname reaches its web dynos, or a page that says why not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter

import pytest
from tests.runtime.router.fix_router import Answer, RouterHome, others, read_answer, request, shop, unused_port

from changeover.runtime.router import Site

WAITING = Site("waiting", ("waiting.localhost",), (unused_port(),))
"""Whose visitors wait some seconds for a dyno: who is answered before them did not wait."""


async def test_an_app_answers_at_its_hostname_whatever_the_port_in_it(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((shop(dyno), *others(1)))

    assert (await home.ask("/")).said["dyno"] == "web.1"


@pytest.mark.parametrize(
    "host",
    ["nobody.localhost", "127.0.0.1", "shop.localhost.evil.example", "..", "*"],
)
async def test_a_host_that_no_app_has_is_refused(home: RouterHome, host: str) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    reader, writer = await asyncio.open_connection(home.address.host, home.address.port)
    writer.write(request("GET", "/", host))
    answer = await read_answer(reader)
    writer.close()

    assert answer.status == 404
    assert b"There is no app here" in answer.body


async def test_an_internal_app_is_not_known_to_everybody(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((Site("shop", ("shop.localhost",), (dyno.port,), is_internal=True),))

    assert (await home.ask("/")).status == 404


async def test_an_app_is_gone_with_all_its_files_when_it_is_no_longer_wanted(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    await home.router.apply(())

    assert (await home.ask("/")).status == 404
    assert [list(folder.iterdir()) for folder in (home.places.sites, home.places.hosts, home.places.lanes)] == [[]] * 3


async def test_a_renamed_app_answers_at_its_new_hostname_only(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((shop(dyno),))
    await home.router.apply((Site("shop", ("store.localhost", "www.shop.example")),))

    assert [(await home.ask("/", host=host)).status for host in ("store.localhost", "www.shop.example")] == [200, 200]
    assert (await home.ask("/")).status == 404


async def test_apps_can_trade_their_hostnames(home: RouterHome) -> None:
    first, second = await home.web_dyno("web.1"), await home.web_dyno("web.2")
    names = ("a.localhost", "b.localhost")
    await home.router.apply((Site("a", (names[0],), (first.port,)), Site("b", (names[1],), (second.port,))))
    await home.router.apply((Site("a", (names[1],)), Site("b", (names[0],))))

    assert [(await home.ask("/", host=name)).said["dyno"] for name in names] == ["web.2", "web.1"]


async def test_an_app_that_was_spoken_of_before_it_is_known_keeps_what_was_said(home: RouterHome) -> None:
    """The control plane may be a second ahead of who applies."""
    home.router.maintenance("shop", True)
    home.router.route("shop", (1,))
    await home.router.apply(others(1))

    await home.router.apply((Site("shop", ("shop.localhost",)), *others(1)))

    assert b"Maintenance" in (await home.ask("/")).body


@pytest.mark.parametrize("app", ["", "../shop", "a/b", "a b", "-a", "a" * 64])
def test_what_is_no_apps_key_never_becomes_a_path(app: str) -> None:
    with pytest.raises(ValueError, match="not the key"):
        Site(app, ("shop.localhost",))


async def test_apps_come_and_go_without_another_configuration(home: RouterHome) -> None:
    """Until there are more than it has room for, and dynos too."""
    dyno = await home.web_dyno("web.1")
    changes = [(shop(dyno), *others(31)), (*others(2), shop(dyno)), (shop(dyno), *others(32)), (shop(dyno), *others(3))]

    assert [await home.router.apply(sites) for sites in changes] == [False, False, True, False]
    assert (await home.ask("/")).status == 200


async def test_other_dynos_are_reached_without_another_configuration(home: RouterHome) -> None:
    first, second = await home.web_dyno("web.1"), await home.web_dyno("web.2")
    await home.router.apply((shop(first),))

    assert not await home.router.apply((shop(second),))
    assert {(await home.ask("/")).said["dyno"] for _ in range(4)} == {"web.2"}


@pytest.mark.parametrize("dynos", [2, 3])
async def test_requests_are_spread_over_the_dynos(home: RouterHome, dynos: int) -> None:
    await home.router.apply((shop(*[await home.web_dyno(f"web.{number}") for number in range(dynos)]),))

    answered = Counter([(await home.ask("/")).said["dyno"] for _ in range(10 * dynos)])

    assert set(answered.values()) == {10}


async def test_more_dynos_than_there_are_slots_all_get_requests(home: RouterHome) -> None:
    """Beyond 24 the configuration grows; here most of them refuse, and are passed over."""
    dyno = await home.web_dyno("web.30")
    await home.router.apply((Site("a", ("a.localhost",), (dyno.port,)),))
    ports = (*[unused_port() for _ in range(29)], dyno.port)

    assert await home.router.apply((Site("a", ("a.localhost",)), Site("shop", ("shop.localhost",), ports)))
    assert (await home.ask("/")).said["dyno"] == "web.30"
    assert {(await home.ask("/", app="a")).status for _ in range(50)} == {200}


async def test_a_port_that_refuses_is_passed_over(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((shop(dyno),))
    home.router.route("shop", (unused_port(), dyno.port))

    answers = [await home.ask("/", method="POST") for _ in range(20)]

    assert {answer.status for answer in answers} == {200}


async def test_requests_wait_for_a_dyno_that_is_starting_again(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((shop(dyno),))
    dyno.kill()

    asking = [asyncio.create_task(home.ask("/", method=method)) for method in ("GET", "POST")]
    await asyncio.sleep(1)
    await home.web_dyno("web.1 again", dyno.port)

    assert [(await answer).said["dyno"] for answer in asking] == ["web.1 again"] * 2


async def test_without_any_dyno_people_see_the_error_page_at_once(home: RouterHome) -> None:
    await home.router.apply((shop(), WAITING))
    waiting = asyncio.create_task(home.ask("/", app="waiting"))

    answer = await home.ask("/", method="POST")

    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    assert b"Application error" in answer.body
    assert not waiting.done()
    waiting.cancel()


async def test_when_no_dyno_answers_people_see_the_apps_own_error_page(home: RouterHome) -> None:
    await home.router.apply((Site("shop", ("shop.localhost",), (unused_port(),)),))
    home.router.error_page("shop", b"<h1>{sorry} we are \xc3\xa4way</h1>")
    began = time.monotonic()

    answer = await home.ask("/")

    assert (answer.status, answer.body) == (503, b"<h1>{sorry} we are \xc3\xa4way</h1>")
    assert time.monotonic() - began > 4


async def test_a_dyno_that_hangs_up_gives_the_error_page_and_no_second_try_of_a_post(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")), WAITING))
    waiting = asyncio.create_task(home.ask("/", app="waiting"))

    answer = await home.ask("/broken", method="POST")

    assert answer.status == 503
    assert not waiting.done()
    waiting.cancel()


async def test_the_app_learns_who_asks_and_when(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = (await home.ask("/", X_Forwarded_For="6.6.6.6")).said["headers"]

    assert abs(int(heard["X-Request-Start"]) / 1000 - time.time()) < 10
    assert len(heard["X-Request-Id"]) == 36
    assert heard["X-Forwarded-For"] == "127.0.0.1"
    assert (heard["X-Forwarded-Proto"], heard["X-Forwarded-Port"]) == ("http", str(home.address.port))
    assert heard["Host"] == f"shop.localhost:{home.address.port}"
    assert "Via" in heard


@pytest.mark.parametrize(("given", "is_kept"), [("a" * 20, True), ("short", False), ("with space" * 3, False)])
async def test_a_clients_own_request_id_is_kept_if_it_is_one(home: RouterHome, given: str, is_kept: bool) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = (await home.ask("/", X_Request_Id=given)).said["headers"]

    assert (heard["X-Request-Id"] == given) is is_kept


async def test_what_an_app_says_bit_by_bit_arrives_bit_by_bit(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    reader, writer = await asyncio.open_connection(home.address.host, home.address.port)
    writer.write(request("GET", "/drip", "shop.localhost"))
    moments: list[float] = []
    while (line := await reader.readline()) not in (b"", b"0\r\n"):
        if b"drip" in line:
            moments.append(time.monotonic())
    writer.close()

    assert len(moments) == 5
    assert moments[-1] - moments[0] > 0.3


async def test_websockets_pass_and_outlive_a_new_configuration(home: RouterHome) -> None:
    """Even one that is opened while connections are being drained."""
    site = shop(await home.web_dyno("web.1"))
    await home.router.apply((site,))
    reader, writer = await asyncio.open_connection(home.address.host, home.address.port)
    changing = asyncio.create_task(home.router.apply((site, *others(40))))
    await asyncio.sleep(0.3)
    writer.write(request("GET", "/ws", "shop.localhost", Connection="Upgrade", Upgrade="websocket"))
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")

    assert await changing
    writer.write(b"still there?")

    assert await asyncio.wait_for(reader.readexactly(12), 5) == b"still there?"
    writer.close()


async def test_bodies_of_any_size_pass(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    reader, writer = await asyncio.open_connection(home.address.host, home.address.port)
    size = 30_000_000
    head = f"POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: {size}\r\n\r\n"
    writer.write(head.encode())
    writer.write(bytes(size))

    answer = await asyncio.wait_for(read_answer(reader), 30)
    writer.close()

    assert answer.said["received"] == size


async def test_maintenance_hides_the_app_from_the_next_request_on(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    home.router.maintenance("shop", True)
    hidden = [await home.ask("/any", method=method) for method in ("GET", "POST", "DELETE")]
    home.router.maintenance("shop", False)

    assert [(one.status, b"Offline for Maintenance" in one.body) for one in hidden] == [(503, True)] * 3
    assert hidden[0].headers["cache-control"] == "no-store"
    assert (await home.ask("/")).status == 200


async def test_maintenance_shows_the_apps_own_page_and_needs_no_dyno(home: RouterHome) -> None:
    await home.router.apply((shop(),))
    page = b"<style>body { color: {http.request.host} }</style>" + b"x" * 900_000

    home.router.maintenance("shop", True, page)

    assert home.router.is_in_maintenance("shop")
    assert (await home.ask("/")).body == page


async def test_maintenance_of_one_app_is_not_anothers(home: RouterHome) -> None:
    dyno = await home.web_dyno("web.1")
    await home.router.apply((shop(dyno), Site("shop-2", ("shop-2.localhost",), (dyno.port,))))

    home.router.maintenance("shop-2", True)

    assert [(await home.ask("/", app=app)).status for app in ("shop", "shop-2")] == [200, 503]


async def test_maintenance_and_pages_outlive_another_round_of_the_same_apps(home: RouterHome) -> None:
    await home.router.apply((shop(),))
    home.router.error_page("shop", b"<p>own error</p>")
    home.router.maintenance("shop", True, b"<p>own maintenance</p>")

    await home.router.apply((shop(), *others(2)))
    seen = await home.ask("/")
    home.router.maintenance("shop", False)

    assert seen.body == b"<p>own maintenance</p>"
    assert (await home.ask("/")).body == b"<p>own error</p>"


async def test_what_was_in_flight_when_maintenance_began_is_answered(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    slow = asyncio.create_task(home.ask("/slow"))
    await asyncio.sleep(0.3)

    home.router.maintenance("shop", True)

    assert (await slow).status == 200


async def test_no_secret_of_a_request_is_logged(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))
    await home.ask("/", Cookie="session=verysecret", Authorization="Bearer verysecret")
    await home.router.stop()

    said = home.places.access_log.read_text()
    with contextlib.suppress(FileNotFoundError):
        said += (home.places.logs / "caddy.log").read_text()
    assert json.loads(said.splitlines()[0])["app"] == "shop"
    assert "verysecret" not in said


@pytest.mark.parametrize("host", ["SHOP.localhost", "shop.LocalHost:80", "shop.localhost.", "Shop.Localhost.:8080"])
async def test_a_hostname_is_the_same_in_any_case_and_with_its_final_dot(home: RouterHome, host: str) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = (await raw(home, f"GET / HTTP/1.1\r\nHost: {host}\r\nChangeover-Site-Host: other\r\n\r\n")).said["headers"]

    assert heard["Host"] == host
    assert "Changeover-Site-Host" not in heard


@pytest.mark.parametrize(
    "host", ["shop.localhost..", ".shop.localhost", "shop..localhost", "[::1]", "SHOP/../x", "xn--Shop"]
)
async def test_a_hostname_that_only_resembles_an_apps_is_refused(home: RouterHome, host: str) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    assert (await raw(home, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).status in (400, 404)


async def test_two_host_headers_are_refused(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    assert (await raw(home, "GET / HTTP/1.1\r\nHost: shop.localhost\r\nHost: x.localhost\r\n\r\n")).status == 400


async def test_an_absolute_request_goes_to_the_host_in_its_address(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    answer = await raw(home, "GET http://Shop.localhost/ HTTP/1.1\r\nHost: other.localhost\r\n\r\n")

    assert answer.said["headers"]["Host"] == "Shop.localhost"


CLAIMED = {
    "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "Forwarded": "for=6.6.6.6",
    "X-Forwarded-Port": "444", "X-Real-Ip": "6.6.6.6", "X-Forwarded-Ssl": "on", "X_Forwarded_For": "6.6.6.6",
}  # fmt: skip


async def claims(home: RouterHome, host: str = "shop.localhost", **more: str) -> dict[str, str]:
    """What the app hears when a client makes all these claims."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (CLAIMED | more).items())
    heard: dict[str, str] = (await raw(home, f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")).said["headers"]
    return heard


@pytest.mark.parametrize("connection", ["close", "X-Forwarded-For, X-Forwarded-Port"])
async def test_what_a_client_claims_about_itself_is_not_believed(home: RouterHome, connection: str) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = await claims(home, Connection=connection)

    assert heard["X-Forwarded-For"] == "127.0.0.1"
    assert (heard["X-Forwarded-Proto"], heard["X-Forwarded-Host"]) == ("http", "shop.localhost")
    assert heard["X-Forwarded-Port"] == str(home.address.port)
    assert heard.keys() & {"Forwarded", "X-Real-Ip", "X-Forwarded-Ssl", "X_Forwarded_For", "X_forwarded_for"} == set()


async def test_the_forwarded_port_is_the_one_that_the_client_used(home: RouterHome) -> None:
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    assert (await claims(home, "shop.localhost:8080"))["X-Forwarded-Port"] == "8080"


async def test_what_a_trusted_proxy_says_is_passed_on(home: RouterHome) -> None:
    home.trust("127.0.0.0/8", "10.0.0.0/8")
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = await claims(home)
    chain = await claims(home, **{"X-Forwarded-For": "6.6.6.6, 7.7.7.7, 10.1.1.1"})

    assert heard["X-Forwarded-For"] == "6.6.6.6, 127.0.0.1"
    assert (heard["X-Forwarded-Proto"], heard["X-Forwarded-Host"]) == ("https", "shop.example")
    assert heard["X-Forwarded-Port"] == "444"
    assert chain["X-Forwarded-For"] == "6.6.6.6, 7.7.7.7, 10.1.1.1, 127.0.0.1"


async def test_another_proxy_than_the_trusted_one_is_not_believed(home: RouterHome) -> None:
    home.trust("127.0.0.2/32")
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    heard = await claims(home)

    assert (heard["X-Forwarded-For"], heard["X-Forwarded-Port"]) == ("127.0.0.1", str(home.address.port))


async def test_a_trusted_proxy_that_names_no_port_has_that_of_its_scheme(home: RouterHome) -> None:
    home.trust("127.0.0.1/32")
    await home.router.apply((shop(await home.web_dyno("web.1")),))

    assert (await claims(home, **{"X-Forwarded-Port": ""}))["X-Forwarded-Port"] == "443"


async def raw(home: RouterHome, head: str) -> Answer:
    """A request as it is written, on a connection of its own."""
    reader, writer = await asyncio.open_connection(home.address.host, home.address.port)
    try:
        writer.write(head.encode())
        return await read_answer(reader)
    finally:
        writer.close()
