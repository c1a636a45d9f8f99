"""Markdown as lines of styled cells.

Pure: text and a width go in, lines come out. Nothing here knows a widget, a
colour or a thread, so the same code runs in a worker and in a plain test.
"""
