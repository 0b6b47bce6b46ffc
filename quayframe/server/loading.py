"""Make the WSGI callable inside a web worker, one line and an exit status where that fails; and end it."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Any

from quayframe.errors import QuayframeError
from quayframe.serving import START_FAILED


def load(target: str) -> Any:
    """The WSGI callable that the factory `module:function` makes. Ends the process where it cannot."""
    module, _, factory = target.partition(":")
    try:
        return getattr(importlib.import_module(module), factory)()
    except QuayframeError as error:
        # its text names the cause; where it was raised helps nobody who runs a registry
        print(f"quayframe: cannot start: {error}", file=sys.stderr, flush=True)
    except Exception:
        traceback.print_exc()
    raise SystemExit(START_FAILED)


def end(application: Any) -> None:
    """Has the callable end what it began, after its last request. One that has no `close` began nothing."""
    close = getattr(application, "close", None)
    if close is not None:
        close()
