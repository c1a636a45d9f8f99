from __future__ import annotations

import sys
from pathlib import Path

# The hostile peers are shared with the scripts in bench/, which are no package.
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
