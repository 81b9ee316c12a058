"""The headers that every page has: what a browser may load and run for it, and what it tells others."""

from collections.abc import Mapping

POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' data:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Of a page. A browser may keep it for its back button, and asks again otherwise.
PAGE_HEADERS: Mapping[str, str] = {**HEADERS, "Cache-Control": "private, no-cache", "Vary": "X-Part, Cookie"}
# Of what somebody sent to be stored: nothing in it is run, whatever it is.
STORED_HEADERS: Mapping[str, str] = {
    **HEADERS,
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, max-age=3600",
}
