"""Widgets of the screens. They show frozen values and post messages; none reads the store."""
