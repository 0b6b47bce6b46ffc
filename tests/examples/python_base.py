"""An image with this machine's Python, for builds without network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_LEFT_OUT = ("test", "tests", "idlelib", "tkinter", "site-packages", "dist-packages", "*.a", "__pycache__")
# By PEP 600 a compiled wheel brings none of these along.
_EXPECTED = (
    "libstdc++.so.6", "libgcc_s.so.1", "librt.so.1", "libpthread.so.0", "libdl.so.2", "libm.so.6",
    "libutil.so.1", "libresolv.so.2", "libnss_files.so.2", "libz.so.1",
)  # fmt: skip


def root(folder: Path) -> None:
    """Fills a root file system: Python with what it links to, and a shell."""
    prefix = Path(sys.base_prefix)
    python = Path(os.path.realpath(sys.executable))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = folder / "usr"
    shutil.copytree(
        Path(sysconfig.get_path("stdlib", vars={"base": str(prefix), "installed_base": str(prefix)})),
        home / "lib" / version,
        symlinks=True,
        ignore=shutil.ignore_patterns(*_LEFT_OUT),
    )
    # Where Debian keeps what `venv` installs.
    own = Path("/usr/share/python-wheels")
    if own.is_dir():
        shutil.copytree(own, folder / own.relative_to("/"))
    (home / "bin").mkdir(parents=True)
    shutil.copy(python, home / "bin" / version)
    (home / "bin" / "python3").symlink_to(version)
    _libraries(folder, [python, *(home / "lib" / version).rglob("*.so"), *prefix.glob("lib/libpython*.so*")])
    _shell(folder)
    for name in ("tmp", "var/lib", "opt", "etc", "root", "proc", "dev"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")


def _libraries(folder: Path, files: list[Path]) -> None:
    """What these need of the machine's libraries, and what compiled wheels expect of every machine."""
    told = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    needed = {Path(path) for path in re.findall(r"(?:=> )?(/\S+) \(0x", told)}
    for place in Path("/lib").glob("*-linux-gnu"):
        needed |= {place / name for name in _EXPECTED if (place / name).exists()}
    for library in needed:
        target = folder / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(os.path.realpath(library), target)


def _shell(folder: Path) -> None:
    busybox = shutil.which("busybox") or "/bin/busybox"
    (folder / "bin").mkdir(exist_ok=True)
    shutil.copy(busybox, folder / "bin" / "busybox")
    for name in ("sh", "mkdir", "chown", "rm", "id", "cat"):
        (folder / "bin" / name).symlink_to("busybox")
