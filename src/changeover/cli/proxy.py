"""`proxy`: a local port for a remote control plane, because the official CLI only trusts this machine.

forwarding.py forwards the requests.
"""

from __future__ import annotations

import asyncio
import shlex
import ssl
from urllib.parse import urlsplit

import click

from changeover.cli import terminal
from changeover.cli.forwarding import Remote, forward
from changeover.cli.official import exports
from changeover.cli.session import Session, command
from changeover.client import Client, Endpoint
from changeover.errors import BadSetting, Misused
from changeover.loopback import is_loopback


@command()
@click.argument("url", metavar="URL")
@click.option("--listen", metavar="127.0.0.1:PORT", default="127.0.0.1:0", help="Local address (default: a free port).")
@click.option("--token", help="Token for the exports (default: CHANGEOVER_API_KEY, which other users can't see).")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="Certificate authority of the remote (PEM).")
def proxy(session: Session, *, url: str, listen: str, token: str | None, ca: str | None) -> None:
    """Forward a local port to a remote control plane, until Ctrl-C.

    Prints environment variables for both CLIs. Every user of this machine can reach the port, but needs a token.
    """
    host, port = loopback(listen)
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/"):
        raise BadSetting("URL", url, wants="the address of a control plane, such as https://changeover.example.com")
    given = token or session.settings.api_key
    if not given:
        raise Misused("No token given.", fix="Set CHANGEOVER_API_KEY to one of the remote control plane's tokens.")
    trust = ssl.create_default_context(cafile=ca)
    remote = Remote(parts.hostname, parts.port or 443, trust)
    _try_out(Endpoint(f"https://{parts.netloc}", given), trust)

    def ready(bound_port: int) -> None:
        address = f"http://{host}:{bound_port}"
        found = exports(Endpoint(address, given))
        if session.wants_json:
            terminal.print_json(found)
        else:
            terminal.say("\n".join(f"export {name}={shlex.quote(value)}" for name, value in found.items()))
        terminal.mention(f"{address} forwards to {url}. Ctrl-C ends it.")

    asyncio.run(forward(remote, host, port, ready))


def loopback(listen: str) -> tuple[str, int]:
    """HOST and PORT. Raises BadSetting if the host is not this machine, because the local connection is not encrypted."""
    host, _, port = listen.rpartition(":")
    if not is_loopback(host) or not port.isdigit() or int(port) > 65535:
        raise BadSetting("--listen", listen, wants="a loopback address, such as 127.0.0.1:5000")
    return host, int(port)


def _try_out(endpoint: Endpoint, trust: ssl.SSLContext) -> None:
    """Fail now instead of at the first request if the remote does not answer, is not trusted, or refuses the token."""
    client = Client(endpoint, on_warning=terminal.warn, trust=trust)
    try:
        client.get("/account")
    finally:
        client.close()
