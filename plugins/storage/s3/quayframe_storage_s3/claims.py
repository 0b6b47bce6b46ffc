"""Who may go on in a multipart upload.

Parts have numbers, and whoever writes number 4 again destroys the part 4 that was there. So two appends to
one value, at once or one after the other, may not both go on behind its last part. Each that wants to writes
an object of its own name under `uploads/<id>/c-<attempt>-<parts>-` and then lists that prefix: only who finds
itself alone may go on. Of two, the one that lists later sees both, whatever the order of the writes, since
listings of S3 show every write that was answered. Both may find that they are not alone: then neither goes
on. Whoever may not, begins a segment of its own.

A claim stays until the upload ends, also when its append failed or its process was killed: a request may
still arrive, and some services list both of two parts that were written under one number.
"""

from __future__ import annotations

from .bucket import Bucket
from .value import Segment, folder, new_name


def claim(bucket: Bucket, upload_id: str, segment: Segment) -> bool:
    """Whether the caller, and nobody else ever, may write behind the segment's parts."""
    prefix = f"{bucket.target.root}{folder(upload_id)}c-{segment.attempt}-{segment.parts}-"
    mine = f"{prefix}{new_name()}"
    bucket.put(mine, b"")
    return [entry["Key"] for entry in bucket.listing(prefix)] == [mine]
