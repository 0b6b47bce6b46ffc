"""Compares this registry with distribution v3 and docker-registry 2.8: `python bench/run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The script's own folder would put its modules in front of the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from bench.main import main

    sys.exit(main())
