"""What FastAPI's documentation pages load, at the addresses where they look for it. For the browser tests only."""

from importlib.util import find_spec
from pathlib import Path

# Found and not imported: the package imports Django.
PACKAGE = Path(find_spec("drf_spectacular_sidecar").origin).parent / "static" / "drf_spectacular_sidecar"
SWAGGER_UI = PACKAGE / "swagger-ui-dist"

# What is no part of the package is made up, as small as it can be.
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
FONTS = b"""@font-face { font-family: Montserrat; src: url(https://fonts.gstatic.com/s/montserrat.woff2) }
@font-face { font-family: Roboto; src: url(https://fonts.gstatic.com/s/roboto.woff2) }"""

FILES = {
    "cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui-bundle.js": (
        b"application/javascript",
        (SWAGGER_UI / "swagger-ui-bundle.js").read_bytes(),
    ),
    "cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css": (
        b"text/css",
        (SWAGGER_UI / "swagger-ui.css").read_bytes(),
    ),
    "cdn.jsdelivr.net/npm/redoc@2/bundles/redoc.standalone.js": (
        b"application/javascript",
        (PACKAGE / "redoc" / "bundles" / "redoc.standalone.js").read_bytes(),
    ),
    "cdn.redoc.ly/redoc/logo-mini.svg": (b"image/svg+xml", LOGO),
    "fastapi.tiangolo.com/img/favicon.png": (b"image/png", (SWAGGER_UI / "favicon-32x32.png").read_bytes()),
    "fonts.googleapis.com/css": (b"text/css", FONTS),
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    url = dict(scope["headers"]).get(b"host", b"").decode() + scope["path"]
    kind, body = FILES.get(url, (b"text/plain", b""))
    print("asked for", url, flush=True)
    # Fonts are asked for with CORS (CSS Fonts Level 4 section 4.8.2).
    headers = [(b"content-type", kind), (b"access-control-allow-origin", b"*")]
    await send({"type": "http.response.start", "status": 200 if url in FILES else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
