"""The response type: Falcon's, with a quick way to set headers that this package makes itself."""

from __future__ import annotations

from collections.abc import Mapping

import falcon


class Response(falcon.Response):
    """`put` takes names in lower case and values that need no check; a request from outside is in none."""

    def put(self, headers: Mapping[str, str]) -> None:
        self._headers.update(headers)
