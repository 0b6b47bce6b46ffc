"""python -m quayframe."""

from quayframe.cli import main

if __name__ == "__main__":
    main()
