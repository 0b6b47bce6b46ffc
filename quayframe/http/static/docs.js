// Swagger UI over this registry's own description. `?internal=true` shows the internal operations as well.
"use strict";
(async () => {
  // The registry wants to know that a page asks, not a link from somewhere else.
  const asked = { "X-Requested-With": "XMLHttpRequest" };
  const get = (path) => fetch(path, { headers: asked, credentials: "same-origin" });

  const internal = new URLSearchParams(location.search).get("internal") === "true";
  const text = await (await get(`/api/v1/discovery${internal ? "?internal=true" : ""}`)).text();
  // Calls go to the address by which this page was reached, whatever name the registry has elsewhere.
  const base = JSON.parse(text).servers[0].url;
  const spec = JSON.parse(text.replaceAll(`"${base}`, `"${location.origin}`));

  window.ui = SwaggerUIBundle({
    spec,
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "list",
    filter: true,
    validatorUrl: null,
    oauth2RedirectUrl: `${location.origin}/api/v1/docs/oauth2-redirect.html`,
    requestInterceptor: async (request) => {
      if (new URL(request.url, location.origin).origin !== location.origin) {
        return request;
      }
      Object.assign(request.headers, asked);
      const changes = !["GET", "HEAD"].includes((request.method || "GET").toUpperCase());
      if (changes && !request.headers.Authorization) {
        // A browser's session: its token is another one after each sign-in.
        request.headers["X-CSRF-Token"] = (await (await get("/csrf_token")).json()).csrf_token;
      }
      return request;
    },
  });
})();
