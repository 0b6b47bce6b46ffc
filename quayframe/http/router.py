"""Routing of paths with repository names, which have slashes, beside Falcon's own router."""

from __future__ import annotations

import re
from typing import Any, cast

import falcon
from falcon.routing import CompiledRouter, map_http_methods, set_default_responders

from quayframe.plugin.access import Access, declared

Route = tuple[object, Any, dict[str, Any], str]
_FIELD = re.compile(r"\{(\w+)\}")
_API = "/api/v1/"


class Router(CompiledRouter):
    """Finds `/v2/<name>/<kind>/...` from the end of the path; all else as Falcon does.

    Every route is registered with the access that its resource declares: one without does not start.
    """

    def __init__(self) -> None:
        super().__init__()
        self._v2: dict[str, tuple[object, Any, str]] = {}
        self._nested: list[tuple[re.Pattern[str], object, Any, str]] = []
        self.access: dict[int, dict[str, Access]] = {}

    def add_route(self, uri_template: str, resource: object, **kwargs: Any) -> None:
        self.access[id(resource)] = declared(resource, uri_template)
        if uri_template.startswith(_API) and "{repository}" in uri_template:
            self._add_nested(uri_template, resource)
            return
        super().add_route(uri_template, resource, **kwargs)

    def add_v2(self, kind: str, uri_template: str, resource: object) -> None:
        """A route of the protocol: kind is manifests, blobs, uploads, upload, tags or referrers."""
        self.access[id(resource)] = declared(resource)
        methods = map_http_methods(resource)
        set_default_responders(methods)
        self._v2[kind] = (resource, methods, uri_template)

    def find(self, uri: str, req: falcon.Request | None = None) -> Route | None:
        if uri.startswith("/v2/") and len(uri) > 4:
            found = self._find_v2(uri)
            if found is not None:
                return found
        elif uri.startswith(_API):
            route = self._find_nested(uri)
            if route is not None:
                return route
        return cast("Route | None", super().find(uri, req=req))

    def _add_nested(self, template: str, resource: object) -> None:
        """A route of the API whose field `repository` is `namespace/name`, the name maybe with slashes."""
        methods = map_http_methods(resource)
        set_default_responders(methods)
        pattern = "".join(
            part
            if index % 2 == 0
            else f"(?P<{part}>[^/]+)"
            if part != "repository"
            else "(?P<repository>.+?)"
            for index, part in enumerate(_FIELD.split(template))
        )
        self._nested.append((re.compile(pattern), resource, methods, template))
        # Those with the most to say first: no path of a sub-resource is taken for a longer name.
        self._nested.sort(key=lambda entry: -len(_FIELD.sub("", entry[3])))

    def _find_nested(self, uri: str) -> Route | None:
        for pattern, resource, methods, template in self._nested:
            found = pattern.fullmatch(uri)
            if found is None:
                continue
            params = found.groupdict()
            name = params["repository"]
            if "//" in name or name.endswith("/") or name.startswith("/"):
                continue
            if template.endswith("{repository}") and self._is_known(f"{uri}/"):
                return None
            return resource, methods, params, template
        return None

    def _is_known(self, uri: str) -> bool:
        return any(
            pattern.fullmatch(uri) for pattern, _, _, template in self._nested if template.endswith("/")
        )

    def _find_v2(self, uri: str) -> Route | None:
        parts = uri[4:].split("/")
        count = len(parts)
        if count < 3:
            return None
        last, kind = parts[-1], parts[-2]
        params: dict[str, Any]
        if kind == "manifests":
            params = {"path": "/".join(parts[:-2]), "reference": last}
        elif kind == "uploads" and count >= 4 and parts[-3] == "blobs":
            kind = "upload" if last else "uploads"
            params = {"path": "/".join(parts[:-3])}
            if last:
                params["ident"] = last
        elif kind == "blobs":
            if last == "uploads":
                kind, params = "uploads", {"path": "/".join(parts[:-2])}
            else:
                params = {"path": "/".join(parts[:-2]), "digest": last}
        elif kind == "tags" and last == "list":
            params = {"path": "/".join(parts[:-2])}
        elif kind == "referrers":
            params = {"path": "/".join(parts[:-2]), "digest": last}
        else:
            return None
        resource, methods, template = self._v2[kind]
        return resource, methods, params, template
