"""No address of a peer makes the comparison of addresses raise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from p2pcommons.model.addresses import host_and_path, same_address_key


def test_a_reference_with_thousands_of_digits_does_not_raise() -> None:
    assert same_address_key(f"http://a.example/&#{'9' * 6000};").startswith("http://a.example/")


@given(st.text() | st.text().map("http://{}".format))
def test_no_address_makes_it_raise(url: str) -> None:
    assert isinstance(same_address_key(url), str)
    assert isinstance(host_and_path(url), str)
