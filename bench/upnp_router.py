"""A small router that speaks UPnP: it is found by multicast, describes itself, maps ports.

    python bench/upnp_router.py INNER_IP OUTER_IP

It answers what a home router answers; asked for a lease it may say that it knows only mappings
without end, as some routers do. As a program it carries them out with nftables, in the tables of
`nat_lab.py`; in tests it only remembers them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

SSDP_GROUP, SSDP_PORT = "239.255.255.250", 1900
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
DESCRIPTION = f"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device>
<deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{SERVICE}</serviceType><serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/control</controlURL><eventSubURL>/events</eventSubURL><SCPDURL>/wan.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>"""


class Router:
    """What the router knows; `mappings` by outer port: inner machine, inner port, lease."""

    def __init__(self, outer_ip: str, inner_ip: str = "127.0.0.1", *, leases: bool = True) -> None:
        self.outer_ip = outer_ip
        self.inner_ip = inner_ip
        self.leases = leases
        self.mappings: dict[int, tuple[str, int, int]] = {}
        self.url = ""

    def carry_out(self, action: str, said: dict[str, str]) -> dict[str, str] | int:
        """Return the values of an answer, or the number of a UPnP error."""
        port = int(said.get("NewExternalPort", "0"))
        if action == "GetExternalIPAddress":
            return {"NewExternalIPAddress": self.outer_ip}
        if action == "GetStatusInfo":
            return {
                "NewConnectionStatus": "Connected",
                "NewLastConnectionError": "ERROR_NONE",
                "NewUptime": "77",
            }
        if action == "AddPortMapping":
            lease = int(said["NewLeaseDuration"])
            if lease and not self.leases:
                return 725
            inner = (said["NewInternalClient"], int(said["NewInternalPort"]), lease)
            if self.mappings.get(port, inner)[0] != inner[0]:
                return 718
            self.mappings[port] = inner
            self.map(port, *inner[:2])
            return {}
        if port not in self.mappings:
            return 714
        if action == "DeletePortMapping":
            del self.mappings[port]
            return {}
        machine, inner_port, lease = self.mappings[port]
        return {
            "NewInternalPort": str(inner_port),
            "NewInternalClient": machine,
            "NewEnabled": "1",
            "NewPortMappingDescription": "",
            "NewLeaseDuration": str(lease),
        }

    def map(self, port: int, machine: str, inner_port: int) -> None:
        """Carry a mapping out; here nothing passes through."""


class RealRouter(Router):
    """One through which packets pass."""

    def map(self, port: int, machine: str, inner_port: int) -> None:
        """Let the kernel pass connections on."""
        rule = f"tcp dport {port} dnat to {machine}:{inner_port}"
        command = ["nft", "add", "rule", "ip", "nat", "before", f'iifname "wan" {rule}']
        subprocess.run(command, check=True)


@contextmanager
def running(router: Router) -> Generator[Router]:
    """Serve at the inner address, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self._say(200, DESCRIPTION)

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            action = self.headers["SOAPAction"].strip('"').rpartition("#")[2]
            result = router.carry_out(action, dict(re.findall(r"<(New\w+)>([^<]*)</", text)))
            if isinstance(result, int):
                self._say(
                    500,
                    _envelope(
                        f"<s:Fault><detail><UPnPError><errorCode>{result}"
                        "</errorCode></UPnPError></detail></s:Fault>"
                    ),
                )
            else:
                values = "".join(f"<{name}>{value}</{name}>" for name, value in result.items())
                self._say(
                    200,
                    _envelope(
                        f'<u:{action}Response xmlns:u="{SERVICE}">{values}</u:{action}Response>'
                    ),
                )

        def _say(self, code: int, text: str) -> None:
            data = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer((router.inner_ip, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    router.url = f"http://{router.inner_ip}:{server.server_address[1]}/root.xml"
    try:
        yield router
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        'soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '
        f'xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body>'
        "</s:Envelope>"
    )


def answer_searches(router: Router) -> None:
    """Answer whoever looks for a router by multicast, for ever."""
    searches = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    searches.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    searches.bind(("", SSDP_PORT))
    group = socket.inet_aton(SSDP_GROUP) + socket.inet_aton(router.inner_ip)
    searches.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    while True:
        asked, who = searches.recvfrom(2048)
        found = re.search(rb"(?im)^ST: *(\S+)", asked)
        if asked.startswith(b"M-SEARCH") and found and b"InternetGatewayDevice:1" in found[1]:
            searches.sendto(
                b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: %b\r\nUSN: uuid:lab::%b\r\n"
                b"EXT:\r\nSERVER: lab\r\nLOCATION: %b\r\n\r\n"
                % (found[1], found[1], router.url.encode()),
                who,
            )


if __name__ == "__main__":
    with running(RealRouter(sys.argv[2], sys.argv[1])) as real:
        answer_searches(real)
