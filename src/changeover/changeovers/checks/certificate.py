"""Reads the certificate that a server presents. Its signature is checked elsewhere."""

from __future__ import annotations

import asyncio
import ssl
import struct

from cryptography import x509

from changeover.postgres.libpq import addresses_of
from changeover.postgres.location import Location

ASK_FOR_TLS = struct.pack("!ii", 8, 80877103)
PATIENCE_S = 5.0


async def server_certificate(location: Location) -> x509.Certificate:
    """Raises OSError or TimeoutError if it can't be read, and AddressNotAllowed."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(PATIENCE_S):
        host = (await addresses_of(location))[0]
        reader, writer = await asyncio.open_connection(host, location.port)
        try:
            writer.write(ASK_FOR_TLS)
            if await reader.readexactly(1) != b"S":
                raise ConnectionError("The server does not support TLS.")
            await writer.start_tls(context, server_hostname=location.host)
            shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
            encoded = shown.getpeercert(binary_form=True)
        finally:
            writer.close()
    if encoded is None:
        raise ConnectionError("The server presented no certificate.")
    return x509.load_der_x509_certificate(encoded)
