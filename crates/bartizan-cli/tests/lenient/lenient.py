r"""The careless application behind everything that servers and frameworks do to a path to be helpful.

Tomcat drops ``;parameters``, nginx merges slashes, IIS takes ``\\`` for ``/``, many resolve dot segments, and some
stack of two decodes twice. Frameworks look at method and URL overrides. For the tests of routing only.
"""

import posixpath
import re
from urllib.parse import unquote

from app import app as careless

METHODS = (b"x-http-method-override", b"x-http-method", b"x-method-override")
TARGETS = (b"x-original-url", b"x-rewrite-url", b"x-forwarded-uri")


def lenient(path: str) -> str:
    path = unquote(path)  # the second time: the server has decoded it once
    path = path.partition("\0")[0].lower()
    path = path.replace("\\", "/")
    path = re.sub(r";[^/]*", "", path)
    path = re.sub(r"/{2,}", "/", path)
    trailing = "/" if path.endswith("/") and len(path) > 1 else ""
    return posixpath.normpath(path).replace("//", "/").rstrip("/") + trailing or "/"


async def app(scope, receive, send):
    if scope["type"] == "http":
        # As CGI has it, and so WSGI: an underscore is a hyphen.
        headers = {name.replace(b"_", b"-"): value for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        for name in TARGETS:
            path = headers.get(name, path.encode()).decode()
        for name in METHODS:
            method = headers.get(name, method.encode()).decode()
        scope = {**scope, "path": lenient(path), "method": method}
    await careless(scope, receive, send)
