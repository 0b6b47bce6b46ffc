"""The process's own log: one JSON object a line, on standard error, beside the request log."""

from __future__ import annotations

import json
import logging
import time


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(level: str) -> None:
    """Sends everything of this level and above to standard error. For processes, not for libraries."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")
    # Libraries log each of their steps at DEBUG, with values that do not belong in a log.
    for noisy in ("peewee", "urllib3", "psycopg"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
