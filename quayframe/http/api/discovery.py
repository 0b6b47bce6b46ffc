"""The API's own description."""

from __future__ import annotations

from typing import Any

from . import needs
from .description import describe
from .operation import Call, Query, Resource, operation


class DiscoveryQuery(Query):
    internal: bool = False


class Discovery(Resource):
    path = "/api/v1/discovery"

    @operation("discovery", "discovery", needs.OPEN, query=DiscoveryQuery, answer=dict[str, Any])
    def get(self, call: Call) -> dict[str, Any]:
        """This description: OpenAPI 3.1."""
        on = [
            resource
            for resource in self.api.resources
            if any(self.api.is_on(declared) for declared in resource.operations.values())
        ]
        return describe(on, call.base_url, internal=call.query.internal)


RESOURCES = (Discovery,)
