"""Just enough of edwards25519 to make signatures at which Ed25519 verifiers differ.

A key with a part of small order is accepted by libsodium, and so are those of its signatures that
satisfy S·B = R + h·A exactly. Verifiers that multiply by the cofactor (ZIP 215, batches) accept
the others too; if some nodes did, their sets would never become equal.
"""

from __future__ import annotations

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(first: Point, second: Point) -> Point:
    (x1, y1), (x2, y2) = first, second
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P
    return (x, y)


def multiply(point: Point, factor: int) -> Point:
    result = NEUTRAL
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def point_at(y: int, sign: int) -> Point | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign else x, y)


def encode(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def base_point() -> Point:
    found = point_at(4 * pow(5, -1, P) % P, 0)
    if found is None:
        raise ValueError("no base point")
    return found


def point_of_order_eight() -> Point:
    y = 2
    while True:
        y += 1
        found = point_at(y, 0)
        if found is not None:
            small = multiply(found, L)
            if multiply(small, 4) != NEUTRAL:
                return small


class MixedKey:
    """A key a·B + T with T of order eight, and signatures that ignore T."""

    def __init__(self, secret: bytes) -> None:
        self._secret = int.from_bytes(hashlib.sha512(secret).digest(), "little") % L
        self._torsion = point_of_order_eight()
        self.public = encode(add(multiply(base_point(), self._secret), self._torsion))

    def sign(self, message: bytes) -> tuple[bytes, bool]:
        """Return a signature, and whether it satisfies the equation without the cofactor."""
        r = int.from_bytes(hashlib.sha512(self.public + message).digest(), "little") % L
        commitment = encode(multiply(base_point(), r))
        digest = hashlib.sha512(commitment + self.public + message).digest()
        h = int.from_bytes(digest, "little") % L
        s = (r + h * self._secret) % L
        is_exact = multiply(self._torsion, h % 8) == NEUTRAL
        return commitment + s.to_bytes(32, "little"), is_exact
