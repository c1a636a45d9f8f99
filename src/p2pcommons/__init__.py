"""A commons is shared knowledge that nobody owns; this package is one person's node of it."""

__version__ = "0.1.0"
