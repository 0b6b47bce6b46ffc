"""Copies of blobs that were found wrong or missing while somebody read them: jobs that look into them."""

from __future__ import annotations

import logging

from quayframe.data.db import Database, Tx
from quayframe.data.tables import Job
from quayframe.errors import RegistryError

from .jobs import Jobs

log = logging.getLogger("quayframe.storage")

RECHECK = "recheck"
PATIENCE = 1000
"""Attempts, an hour apart in the end: a location may be away for weeks."""


class Suspects:
    """:param writing: False = REGISTRY_STATE readonly: what is found is only logged."""

    def __init__(self, db: Database, jobs: Jobs, *, writing: bool = True) -> None:
        self._db = db
        self._writing = writing
        self._jobs = jobs

    def add(self, blob_id: int, location: str, key: str) -> None:
        """One copy is to be looked into. Never raises: whoever reads has something better to do."""
        if not self._writing:
            log.warning("the copy of blob %d at %s is wrong or missing: run fsck --repair", blob_id, location)
            return
        payload = {"blob": blob_id, "at": location, "key": key}
        lane = f"{RECHECK}:{location}:{key}"[:255]

        def work(tx: Tx) -> None:
            if tx.one(Job.select(Job.id).where((Job.lane == lane) & (Job.dead == 0))) is None:
                self._jobs.add(tx, RECHECK, payload, lane=lane, max_attempts=PATIENCE)

        try:
            self._db.write(work)
        except RegistryError as error:
            log.warning("the copy of blob %d at %s cannot be looked into: %s", blob_id, location, error)
