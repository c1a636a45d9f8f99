"""Reading the fields of a decoded body by exact types: what has another one says nothing."""

from __future__ import annotations

from typing import TypeVar, cast

T = TypeVar("T")


class SaysNothingError(Exception):
    """A rule of the kind is broken."""


class BodyFields:
    """Typed access to a decoded body. Each method raises SaysNothingError for another type."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def required(self, name: str, kind: type[T]) -> T:
        """Return a field that has to be there."""
        value = self._values.get(name)
        if type(value) is not kind:
            raise SaysNothingError
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """Return a field, None where it is missing."""
        return self.required(name, kind) if name in self._values else None

    def items(self, name: str, kind: type[T], count_max: int) -> tuple[T, ...]:
        """Return a list of at most `count_max`, empty where it is missing."""
        if name not in self._values:
            return ()
        value = self._values[name]
        if type(value) is not list:
            raise SaysNothingError
        listed = cast("list[object]", value)
        if len(listed) > count_max or any(type(item) is not kind for item in listed):
            raise SaysNothingError
        return tuple(cast("list[T]", listed))

    def texts(self, name: str, count_max: int = 64, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of texts, empty where it may be missing and is."""
        if required and name not in self._values:
            raise SaysNothingError
        return self.items(name, str, count_max)
