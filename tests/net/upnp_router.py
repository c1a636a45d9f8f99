"""A small router that speaks UPnP over HTTP on loopback, for tests: description and port mappings.

It answers what a home router answers; the mappings it was asked for can be looked at. Asked for a
lease it may say that it knows only mappings without end, as some routers do.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

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

    def __init__(self, outer_ip: str, *, leases: bool = True) -> None:
        self.outer_ip = outer_ip
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


@contextmanager
def running(router: Router) -> Generator[Router]:
    """Serve on loopback, until the end of the block."""

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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    router.url = f"http://127.0.0.1:{server.server_address[1]}/root.xml"
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
