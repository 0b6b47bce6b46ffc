"""The API's own description."""

from __future__ import annotations

import json
from typing import Any

from ..render import JSON, to_json
from . import needs
from .description import describe
from .frame import Api
from .operation import Call, Query, Reply, Resource, operation

_BASE = "http://base.invalid"


class DiscoveryQuery(Query):
    internal: bool = False


class Discovery(Resource):
    path = "/api/v1/discovery"

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self._made: dict[bool, bytes] = {}

    @operation("discovery", "discovery", needs.OPEN, query=DiscoveryQuery, answer=dict[str, Any])
    def get(self, call: Call) -> Reply:
        """This description: OpenAPI 3.1."""
        made = self._text(internal=call.query.internal)
        base = json.dumps(call.base_url)[1:-1].encode()
        return Reply(made.replace(_BASE.encode(), base), content_type=JSON)

    def _text(self, *, internal: bool) -> bytes:
        """The document, made once: only the address by which it was asked for differs."""
        made = self._made.get(internal)
        if made is None:
            document = describe(
                self.api.resources,
                _BASE,
                internal=internal,
                is_on=self.api.is_on,
                cookie=self.api.registry.settings.SESSION_COOKIE_NAME,
            )
            made = self._made[internal] = to_json(document)
        return made


RESOURCES = (Discovery,)
