"""python -m quayframe.server: the web server alone, as its environment says; the supervisor's child."""

from __future__ import annotations

import importlib
import sys

from quayframe import serving
from quayframe.errors import QuayframeError


def main() -> int:
    try:
        options = serving.read()
        # the two servers import much; only one of them is needed
        server = importlib.import_module(f"quayframe.server.{options.server}")
        status: int = server.serve(options)
    except QuayframeError as error:
        print(f"quayframe: cannot start: {error}", file=sys.stderr, flush=True)
        return serving.START_FAILED
    return status


if __name__ == "__main__":
    sys.exit(main())
