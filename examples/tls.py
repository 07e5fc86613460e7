"""TLS with a certificate at each end, so that the handler knows who calls.

This makes one for both:

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=me \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout me.pem -out me.pem

Then: tls.py me.pem. With a CA, each end trusts that one instead of the certificate itself.
"""

import sys
from functools import partial

import trio

import avrpc
from avrpc.demo.interface import Vitals
from avrpc.demo.service import VitalsService


class Asked(VitalsService):
    async def devices(self) -> list[dict[str, object]]:
        tls = avrpc.current_call().tls
        if tls is not None and tls.certificate is not None:
            print(f"server: {tls.certificate.common_name} asks, by {tls.version}")
        return await super().devices()


async def main(pem: str) -> None:
    server = avrpc.Server({Vitals: Asked()})
    async with trio.open_nursery() as nursery:
        tls = avrpc.server_tls(pem, client_ca=pem)
        [address] = await nursery.start(partial(server.serve, "tls://127.0.0.1:0", tls=tls))
        async with avrpc.connect(
            address, Vitals, tls=avrpc.client_tls(ca=pem, certificate=pem)
        ) as vitals:
            print("client:", len(await vitals.devices()), "devices at", address)
        try:
            async with avrpc.connect(address, Vitals, tls=avrpc.client_tls(ca=pem)):
                pass
        except avrpc.TlsFailed as error:
            print("without a certificate:", error.reason)
        await server.aclose()


trio.run(main, sys.argv[1])
