"""The web pages: a few files that Envoy answers with by itself, from memory.

The files of a build have a hash of what they hold in their names, so that browsers keep them for good; the one document
that names them is asked for anew each time. Which page it shows is the page's own to say: each path gets it.
Envoy's `file_server` is documented as not yet secure, hence direct answers.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import METADATA, Config
from gateway.names import COMPRESSOR, DISABLED, LUA, TRANSCODER
from gateway.settings import GatewaySettings
from services.runtime.errors import reason_name
from studio.options.v1 import errors_pb2 as e

ASSETS = "/databases-console/"
"""`base` of console/vite.config.ts: nothing of Studio's lies there."""
PAGES = r"(?:/project/[A-Za-z0-9_-]+)?/?(?:databases(?:/[^/]+)*/?|audit|api-keys)?"
"""The paths of console/src/app/router.tsx."""

MAX_FILE_BYTES = 4 * 2**20
"""Of one file; Envoy holds them all in memory."""
GZIP_FROM_BYTES = 1024

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}

# https://www.w3.org/TR/CSP3/: nothing but this origin's own files and calls; no page of another may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
FOR_GOOD = "public, max-age=31536000, immutable"
ANEW = "no-cache"

NOT_HERE = "The pages are not part of this gateway: set CONSOLE_DIR to a build of console/."


def is_enabled(settings: GatewaySettings) -> bool:
    """Whether there are pages."""
    return settings.console_dir is not None


def needs_no_token() -> list[Config]:
    """Matches of the token check's rules: the files hold nothing that is not public."""
    return [{"match": {"prefix": ASSETS}}, {"match": {"safe_regex": {"regex": PAGES}}}]


def routes(settings: GatewaySettings, directory: Path) -> Iterator[Config]:
    """The routes of all files, and of the paths of all pages.

    Args:
        settings: of the gateway.
        directory: where compressed copies are written, for Envoy to read.

    Raises:
        SystemExit: CONSOLE_DIR holds no build.
    """
    if settings.console_dir is None:
        yield _refused({"safe_regex": {"regex": PAGES}}, 404, e.ERROR_REASON_ROUTE_NOT_FOUND, NOT_HERE)
        return
    root = settings.console_dir.resolve()
    document = root / "index.html"
    if not document.is_file():
        raise SystemExit(
            "configuration: CONSOLE_DIR holds no index.html: build the pages first (make console)"
        )
    for path in sorted((root / "assets").rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            match = {"path": f"{ASSETS}{path.relative_to(root).as_posix()}"}
            yield from _file(match, path, FOR_GOOD, directory)
    yield from _file({"safe_regex": {"regex": PAGES}}, document, ANEW, directory)
    sentence = "The pages take GET alone."
    yield _refused({"safe_regex": {"regex": PAGES}}, 405, e.ERROR_REASON_METHOD_NOT_ALLOWED, sentence)
    yield _refused({"prefix": ASSETS}, 404, e.ERROR_REASON_ROUTE_NOT_FOUND, "There is no such file.")


def _file(match: Config, path: Path, caching: str, directory: Path) -> Iterator[Config]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise SystemExit(f"configuration: {path.name} in CONSOLE_DIR is larger than {MAX_FILE_BYTES} bytes")
    reading = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    known = {"name": "if-none-match", "string_match": {"contains": etag}}
    headers = {
        "content-type": TYPES[path.suffix],
        "cache-control": caching,
        "vary": "accept-encoding",
        "etag": etag,
    }
    yield _route({**match, "headers": [reading, known]}, {"status": 304}, headers)
    if len(content) >= GZIP_FROM_BYTES:
        # Compressed once, better than Envoy would while it answers.
        packed = directory / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(content, 9, mtime=0))
        takes = {"name": "accept-encoding", "string_match": {"safe_regex": {"regex": r".*\bgzip\b.*"}}}
        body = {"status": 200, "body": {"filename": str(packed)}}
        yield _route({**match, "headers": [reading, takes]}, body, {**headers, "content-encoding": "gzip"})
    yield _route({**match, "headers": [reading]}, {"status": 200, "body": {"filename": str(path)}}, headers)


def _route(match: Config, answer: Config, headers: dict[str, str]) -> Config:
    return {
        "match": match,
        "typed_per_filter_config": {TRANSCODER: DISABLED, LUA: DISABLED, COMPRESSOR: DISABLED},
        "direct_response": answer,
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in {**HEADERS, **headers}.items()
        ],
    }


def _refused(match: Config, status: int, reason: e.ErrorReason.ValueType, sentence: str) -> Config:
    return {
        "match": match,
        "metadata": {"filter_metadata": {METADATA: {"error_code": reason_name(reason), "message": sentence}}},
        "typed_per_filter_config": {TRANSCODER: DISABLED},
        "direct_response": {"status": status},
    }
