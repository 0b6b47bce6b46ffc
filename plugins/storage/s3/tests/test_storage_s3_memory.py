"""A long append holds little of its stream in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

MIB = 1024 * 1024
SIZE = (1024 if os.environ.get("QUAYFRAME_SOAK") == "1" else 192) * MIB
LIMIT = 64 * MIB

# In a process of its own: the system tells the most that a process ever had.
SCRIPT = """
import json, resource, sys
from quayframe_storage_s3 import S3Storage
from quayframe_storage_s3.configs import S3Config
from quayframe.testing.storage_streams import Stream, pattern

config, size = json.loads(sys.argv[1])
backend = S3Storage(S3Config(**config))
backend.abort(backend.append(backend.begin(), Stream(pattern(6 << 20))))
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
piece = pattern(1 << 20)
before = most()
upload = backend.append(backend.begin(), Stream(piece, size=size))
assert backend.size(backend.commit(upload, "sha256/ab/abcdef.1")) == size
backend.delete(backend.commit(upload, "sha256/ab/abcdef.1"))
print(most() - before)
"""


def test_a_long_append_grows_the_process_by_little(config: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([config, SIZE])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < LIMIT
