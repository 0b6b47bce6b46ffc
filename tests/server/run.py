"""The supervisor in a process of its own, for the tests: options as JSON, the URL on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from quayframe.errors import StartError
from quayframe.server.supervisor import serve
from quayframe.serving import ServeOptions


def main() -> int:
    said = json.loads(sys.argv[1])
    for name in ("config", "data", "cert", "key"):
        if name in said:
            said[name] = Path(said[name])
    said["worker_command"] = tuple(said.get("worker_command", ()))
    try:
        return serve(ServeOptions(**said), lambda url: print(url, flush=True))
    except StartError as error:
        print(f"quayframe: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
