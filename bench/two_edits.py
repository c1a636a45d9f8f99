"""Two people edit one entry while apart; both versions stand on both replicas, a merge leaves one.

python bench/two_edits.py
"""

from __future__ import annotations

import sys

from harness import Home, free_address, homes, items, join, new_commons, say, wait_equal

VERSIONS_MEANWHILE = {"Foil, says ana.", "Foil, says rui."}


def main() -> int:
    with homes(2) as members:
        ana, rui = members
        addresses = [free_address(), free_address()]
        for home, name in zip(members, ("ana", "rui"), strict=True):
            home.run("init", "--name", name)
        commons = new_commons(ana, "Edited apart")
        entry = str(ana.run("add", "--title", "Oven", "--text", "Foil.", "--tag", "solar")["id"])
        ana.start(listen=addresses[0])
        join(rui, ana, commons)
        rui.start(listen=addresses[1])
        wait_equal(members, commons, 60)
        ana.stop()
        rui.stop()
        ana.run("edit", entry, "--text", "Foil, says ana.")
        rui.run("edit", entry, "--text", "Foil, says rui.")
        ana.start(listen=addresses[0])
        rui.start(listen=addresses[1])
        wait_equal(members, commons, 60)
        apart = [texts_of_heads(home, entry) for home in members]
        say(f"after meeting again: {apart[0]} on the first node, {apart[1]} on the second")
        ana.run("edit", entry, "--merge", "--text", "Foil, say both.")
        wait_equal(members, commons, 60)
        merged = [texts_of_heads(home, entry) for home in members]
        say(f"after the merge: {merged[0]} and {merged[1]}")
        shown = [home.run("show", entry)["text"] for home in members]
    right = apart == [VERSIONS_MEANWHILE] * 2 and merged == [{"Foil, say both."}] * 2
    return 0 if right and shown == ["Foil, say both."] * 2 else 1


def texts_of_heads(home: Home, entry: str) -> set[str]:
    """The texts of the versions that nobody has replaced."""
    detail = home.run("show", entry)
    return {str(version["text"]) for version in items(detail, "versions") if version["head"]}


if __name__ == "__main__":
    sys.exit(main())
