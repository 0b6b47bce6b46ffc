"""The command line: one file per command; it translates to services and back."""

from __future__ import annotations

import sys

from quayframe.errors import ConfigError, RegistryError, StartError


def main() -> None:
    """The `quayframe` command. A known error is one line (or a list of problems) and exit status 1."""
    from .root import root

    try:
        root()
    except (ConfigError, StartError) as error:
        print(f"quayframe: {error}", file=sys.stderr)
        sys.exit(3 if isinstance(error, StartError) else 1)
    except RegistryError as error:
        print(f"quayframe: {error.text}", file=sys.stderr)
        sys.exit(1)
