"""What a browser may do with our answers: scripts and data of our own origin, and in no frame."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # components set sizes and colours as style attributes
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_KEPT: Final = "public, max-age=31536000, immutable"
_DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
OK: Final = 200
NOT_MODIFIED: Final = 304
_NAMED_BY_DIGEST: Final = "/assets/"  # another content has another name
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityHeaders:
    """Adds the headers to every answer, refusals and faults included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                is_page = headers.get("content-type", "").startswith("text/html")
                if message["status"] != NOT_MODIFIED:  # else it would replace that of the kept page
                    headers["Content-Security-Policy"] = _PAGE_POLICY if is_page else _DATA_POLICY
                if message["status"] in {OK, NOT_MODIFIED}:
                    is_named_by_digest = scope["path"].startswith(_NAMED_BY_DIGEST)
                    headers.setdefault("Cache-Control", _KEPT if is_named_by_digest else "no-cache")
            await send(message)

        await self._app(scope, receive, guarded)
