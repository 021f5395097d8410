"""Bearer tokens with scopes, kept as hashes; a loopback bind without any is open and says so.

A tokens file holds one token a line: NAME SCOPE[,SCOPE...] SHA256HEX. Blank lines and lines that
begin with # are passed over.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from schemas.units import IDENTIFIER
from streams.api.parameters import refuse_unknown_parameters
from streams.api.problems import ProblemError
from streams.api.scopes import SCOPES, Scope
from streams.core.errors import ConfigError

TOKEN_BYTES: Final = 32  # of randomness: a plain hash of it cannot be searched
_FIELDS: Final = 3
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SAFE: Final = {"GET", "HEAD"}
_OWN_SITES: Final = {"same-origin", "none"}  # of Sec-Fetch-Site; none: no page asked

bearer = HTTPBearer(auto_error=False, description="A token made by `apse token`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept: who, what for, and the digest of its text."""

    name: str
    scopes: tuple[Scope, ...]
    digest: str


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; ``name`` is kept with whatever they order."""

    name: str
    scopes: tuple[Scope, ...]


ANYBODY: Final = Caller(name="anonymous", scopes=SCOPES)


def make_token(name: str, scopes: tuple[Scope, ...]) -> tuple[str, str]:
    """Return a new token's text, to be shown once, and its line for the tokens file."""
    text = secrets.token_urlsafe(TOKEN_BYTES)
    return text, f"{name} {','.join(scopes)} {_digest(text)}"


def read_tokens(file: Path) -> tuple[Token, ...]:
    """Return the tokens of a file.

    Raises
    ------
    ConfigError
        When a line cannot be used.
    """
    tokens = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            tokens.append(_token(line.split(), f"{file}, line {number}"))
    if not tokens:
        message = f"{file} holds no token; `apse token` makes one"
        raise ConfigError(message)
    return tuple(tokens)


def _token(fields: list[str], where: str) -> Token:
    if len(fields) != _FIELDS:
        message = f"{where}: {len(fields)} fields, expected NAME SCOPE[,SCOPE...] SHA256HEX"
        raise ConfigError(message)
    name, listed, digest = fields
    scopes = tuple(scope for scope in SCOPES if scope in listed.split(","))
    if not re.fullmatch(IDENTIFIER, name):
        message = f"{where}: {name!r} is no name of letters, digits, dots, dashes and underscores"
        raise ConfigError(message)
    if len(scopes) != len(listed.split(",")):
        message = f"{where}: scopes {listed!r}, expected some of {', '.join(SCOPES)}"
        raise ConfigError(message)
    if not _HEX.fullmatch(digest):
        message = f"{where}: the third field is no SHA-256 in 64 hexadecimal digits"
        raise ConfigError(message)
    return Token(name=name, scopes=scopes, digest=digest)


def check_bind(host: str, tokens: tuple[Token, ...]) -> None:
    """Refuse to listen on more than this machine without tokens.

    Raises
    ------
    ConfigError
        For an open bind to any address but loopback.
    """
    if not tokens and not is_loopback(host):
        message = (
            f"api.host {host!r} can be reached from other machines, and api.tokens names no file:"
            " make one with `apse token`, or listen on 127.0.0.1"
        )
        raise ConfigError(message)


def is_loopback(host: str) -> bool:
    """Tell whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def requires(scope: Scope) -> Callable[[Request, Credentials], Awaitable[Caller]]:
    """Return the dependency of a route that needs a scope."""

    # Nothing is waited for in it: a thread of its own would cost more than what it does.
    async def caller(request: Request, credentials: Credentials) -> Caller:
        tokens: tuple[Token, ...] = request.app.state.tokens
        if not tokens:
            _refuse_foreign(request)
            refuse_unknown_parameters(request)
            return ANYBODY
        found = None if credentials is None else _find(tokens, credentials.credentials)
        if found is None:
            raise ProblemError(
                401,
                f"this needs a token with the scope {scope!r}, as Authorization: Bearer TOKEN",
                {"WWW-Authenticate": f'Bearer realm="apse", scope="{scope}"'},
            )
        if scope not in found.scopes:
            has = ", ".join(found.scopes)
            raise ProblemError(403, f"token {found.name!r} has {has}, this needs {scope!r}")
        refuse_unknown_parameters(request)
        return Caller(name=found.name, scopes=found.scopes)

    return caller


def _refuse_foreign(request: Request) -> None:
    """Refuse what a page of another site asks for by way of a browser on this machine.

    Where no token is needed, a browser there is all that such a page needs. It can order without
    reading the answer, and once its own name points to this machine it can read as well.

    Raises
    ------
    ProblemError
        403 for a Host that is no name of this machine, or an order from another site.
    """
    host = request.headers.get("host", "")
    if not is_loopback(_name_of(host)):
        message = f"Host {host[:80]!r} is no name of this machine; ask 127.0.0.1, or make a token"
        raise ProblemError(403, message)
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = origin in {None, f"http://{host}"} if site is None else site in _OWN_SITES
    if not own:
        raise ProblemError(403, "this order comes from a page of another site")


def _name_of(host: str) -> str:
    """Return the name in a Host header, without its port; nothing where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _find(tokens: tuple[Token, ...], text: str) -> Token | None:
    """Return the token of a text, comparing with every one, each in constant time."""
    digest = _digest(text)
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, digest):
            found = token
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
