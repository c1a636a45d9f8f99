"""Two equal nodes stopped and started again, and a commons carried as a file.

    python bench/restart.py [--entries 200]

Prints the seconds from the start of the second node to connected and equal (10 at most, no
address typed), and whether an export imported into an empty home has the same fingerprint.
"""

from __future__ import annotations

import argparse
import sys
import time

from harness import homes, join, new_commons, say, wait_equal, wait_until

SECONDS_MAX = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200)
    chosen = parser.parse_args()
    with homes(3) as (ana, rui, empty):
        for home, name in ((ana, "ana"), (rui, "rui"), (empty, "eva")):
            home.run("init", "--name", name)
        commons = new_commons(ana, "Restarted")
        source = ana.path / "entries.jsonl"
        source.write_text("".join(f'{{"title":"Entry {n}"}}\n' for n in range(chosen.entries)))
        ana.run("import", str(source), "--commons", commons)
        # The port is the one each home drew at its first start, as on a person's machine.
        ana.start()
        join(rui, ana, commons)
        rui.start()
        seconds, count, fingerprint = wait_equal([ana, rui], commons, 60)
        say(f"first meeting: equal after {seconds:.1f} s with {count} contributions")
        ana.stop()
        rui.stop()
        ana.run("add", "--title", "Written while both were off", "--commons", commons)
        ana.start()
        began = time.monotonic()
        rui.start()
        wait_until("connected again", lambda: rui.connected() > 0, 60)
        connected = time.monotonic() - began
        _, count, fingerprint = wait_equal([ana, rui], commons, 60)
        equal = time.monotonic() - began
        say(f"restarted: connected after {connected:.1f} s, equal after {equal:.1f} s: {count}")
        carried = ana.path / "carried.jsonl"
        ana.run("export", "--format", "jsonl", "--commons", commons, "--out", str(carried))
        empty.run("import", str(carried))
        same = empty.digest(commons) == (count, fingerprint)
        say(
            f"carried as a file into an empty home: {'the same' if same else 'NOT the same'} "
            f"{fingerprint}"
        )
    return 0 if same and equal <= SECONDS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
