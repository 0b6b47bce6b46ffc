"""python -m quayframe.server: the web server alone, as its environment says; the supervisor's child."""

from __future__ import annotations

import importlib
import sys

from quayframe.errors import QuayframeError
from quayframe.server import environment


def main() -> int:
    try:
        options = environment.read()
        # the two servers import much; only one of them is needed
        server = importlib.import_module(f"quayframe.server.{options.server}")
        status: int = server.serve(options)
    except QuayframeError as error:
        print(f"quayframe: cannot start: {error}", file=sys.stderr, flush=True)
        return environment.START_FAILED
    return status


if __name__ == "__main__":
    sys.exit(main())
