"""
Swagger UI from files on this machine: nothing is fetched from elsewhere, nothing runs inline.

The files come with the package swagger-ui-py; only those named here are served.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>OpAMP Platform API</title>
  <link rel="stylesheet" href="/swagger/swagger-ui.css">
  <link rel="stylesheet" href="/swagger/index.css">
  <link rel="icon" type="image/png" href="/swagger/favicon-32x32.png" sizes="32x32">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/swagger/swagger-ui-bundle.js"></script>
  <script src="/swagger/start.js"></script>
</body>
</html>
"""

START = b"""window.onload = function () {
  window.ui = SwaggerUIBundle({
    url: "/api/v1/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout"
  });
};
"""

_TYPES: dict[str, str] = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "index.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}


@cache
def asset(name: str) -> tuple[bytes, str] | None:
    """Read one file of the viewer and its content type; None when it is none of them."""
    if name == "start.js":
        return START, "text/javascript; charset=utf-8"
    if name not in _TYPES:
        return None
    return (resources.files("swagger_ui") / "static" / name).read_bytes(), _TYPES[name]
