"""When two web addresses are the same: equal after a few rewrites that never change the page."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit, urlunsplit

from p2pcommons.errors import UserError

_HUGE_REFERENCE = re.compile(r"&#[0-9]{8,};?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_OF_ONE_MACHINE = frozenset({"about", "blob", "data", "file", "javascript", "vbscript"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}


def same_address_key(url: str) -> str:
    """Return the key under which equal addresses meet.

    Entities decoded, scheme and host in lower case, default port dropped, empty path as '/'.
    What does not parse as an address is its own key.
    """
    # A reference with thousands of digits makes the standard library raise; it means nothing.
    text = html.unescape(_HUGE_REFERENCE.sub("\ufffd", url)).strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text
    scheme, netloc = parts.scheme.lower(), parts.netloc
    if not netloc:
        return text
    userinfo, at, host = netloc.rpartition("@")
    if port is not None or host.endswith(":"):
        host = host.rpartition(":")[0]
    kept = "" if port is None or port == _DEFAULT_PORTS.get(scheme) else f":{port}"
    place = f"{userinfo}{at}{host.lower()}{kept}"
    return urlunsplit((scheme, place, parts.path or "/", parts.query, parts.fragment))


def host_and_path(url: str) -> str:
    """Return what stands for a title where an address was given without one."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url.strip()
    return (parts.netloc.rpartition("@")[2] + parts.path).rstrip("/") or url.strip()


def is_address(text: str) -> bool:
    """Tell whether a text begins as an address does, with a scheme."""
    return _SCHEME.match(text) is not None


def check_shareable(url: str) -> None:
    """Raise UserError for an address that others cannot use, or that would run as a program."""
    scheme = url.strip().partition(":")[0].lower()
    if scheme in _OF_ONE_MACHINE:
        raise UserError(f"an address that begins with {scheme}: means nothing to others")
