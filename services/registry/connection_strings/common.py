"""What the connection strings of all engines share: the grammar of RFC 3986, read strictly.

Lenient readers disagree: given a raw `@` or `/` in a password, one takes the first, another the last, and what one
shows as the host is half of the password to the next. So whatever can be read in two ways is refused, with the
character to percent-encode; after that there is one reading. No message repeats any part of the text.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from services.runtime.errors import FieldViolation, StudioError
from studio.options.v1.errors_pb2 import ERROR_REASON_INVALID_CONNECTION_STRING

MAX_LENGTH = 8192
"""Characters of a connection string, percent-encoded; the contract's own limit."""

SCHEMES = {
    "redis": "redis",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "unix": "redis",
    "redis+sentinel": "redis",
    "rediss+sentinel": "redis",
    "redis+cluster": "redis",
    "rediss+cluster": "redis",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
    "postgres": "postgres",
    "postgresql": "postgres",
    "http": "bun_api",
    "https": "bun_api",
}
"""Which type a URL's scheme belongs to."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINES = re.compile(r"[\t\r\n]")
_PEM_OPTIONS = frozenset(
    {"ssl_ca_data", "ssl_cert_data", "ssl_key_data", "tlscadata", "tlscertificatekeydata"}
)
"""Options that hold text of several lines, by name in lower case."""
_OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)
# What `quote` leaves alone in a path or query that is kept as written: all of ASCII, so only other characters change.
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Parts:
    """A connection in parts, nothing percent-encoded."""

    host: str
    """Name, IPv4 or IPv6 address (no brackets), or the path of a Unix socket."""
    port: int = 0
    """0 where there is none; as an argument of `build`, the engine's own."""
    username: str = ""
    """Empty for none."""
    password: str = field(default="", repr=False)
    """Empty for none."""
    database_name: str = ""
    """Name of the database in the server, Redis's number; empty for none."""
    tls: bool = False
    """Whether the connection is made by TLS."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Parts that replace those of a connection string; None leaves a part as it is, nothing is percent-encoded."""

    host: str | None = None
    """Replaces every host where there are several."""
    port: int | None = None
    """0 for the engine's own."""
    username: str | None = None
    """Empty for none."""
    password: str | None = field(default=None, repr=False)
    """Empty for none."""
    database_name: str | None = None
    """Empty for none."""
    tls: bool | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection string that was read without doubt."""

    url: str = field(repr=False)
    """The canonical form: ASCII, with an encoded user name and password. Secret."""
    parts: Parts
    """What it says; all but the password may be shown."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL cut at its delimiters."""

    scheme: str
    username: str | None
    password: str | None = field(repr=False)
    hosts: str = field(repr=False)
    path: str = field(repr=False)
    """With its leading slash, as written; may be empty."""
    query: str = field(repr=False)

    def options(self) -> list[tuple[str, str]]:
        """The query's `key=value` pairs, decoded."""
        return _options(self.query)

    def with_login(self, changes: Changes, *, password_needed: bool) -> Url:
        """The URL with another user name or password; `password_needed` keeps the colon of an empty one."""
        if changes.username is None and changes.password is None:
            return self
        user = self.username if changes.username is None else changes.username
        password = self.password if changes.password is None else changes.password
        if not user and not password:
            return dataclasses.replace(self, username=None, password=None)
        kept = (password or "") if password_needed else (password or None)
        return dataclasses.replace(self, username=user or "", password=kept)

    def without_options(self, *names: str) -> Url:
        """The URL without these options; names in lower case."""
        kept = [item for item in self.query.split("&") if item.partition("=")[0].lower() not in names]
        return dataclasses.replace(self, query="&".join(kept))

    def with_options(self, options: Mapping[str, str]) -> Url:
        """The URL with more options, which are not percent-encoded.

        Raises:
            StudioError: a name is none, or stands there already with another value.
        """
        present = dict(self.options())
        for name, value in options.items():
            if not _OPTION.fullmatch(name):
                raise invalid(
                    "The name of an option has letters, digits, dots, hyphens and underscores.", "options"
                )
            if present.get(name, value) != value:
                raise invalid(f"The option {name} is given twice, differently.", "options")
        added = [f"{name}={encode(value)}" for name, value in options.items() if name not in present]
        return dataclasses.replace(self, query="&".join(filter(None, [self.query, *added])))

    def text(self) -> str:
        """The URL in canonical form."""
        query = f"?{quote(self.query, safe=_ASCII)}" if self.query else ""
        login = userinfo(self.username, self.password)
        text = f"{self.scheme}://{login}{self.hosts}{quote(self.path, safe=_ASCII)}{query}"
        if len(text) > MAX_LENGTH:
            raise invalid(f"The connection string is longer than {MAX_LENGTH} characters.")
        return text


def invalid(message: str, field_name: str = "connection_string") -> StudioError:
    """The error for a connection string that can't be used; the message must not repeat any of it."""
    return StudioError(
        ERROR_REASON_INVALID_CONNECTION_STRING,
        message,
        violations=[FieldViolation(field_name, message)],
    )


def split(text: str, type_: str) -> Url:
    """Cuts a URL of this type at its delimiters.

    Raises:
        StudioError: the text is no such URL, or can be read in more than one way.
    """
    _check_characters(text)
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if match is None or SCHEMES.get(scheme) != type_:
        raise _wrong_scheme(scheme, type_)
    rest = text[match.end() :]
    end = next((index for index, character in enumerate(rest) if character in "/?#"), len(rest))
    authority, tail = rest[:end], rest[end:]
    # The specification of MongoDB's allows it among the options, once the login is over.
    if "@" in (tail.partition("?")[0] if type_ == "mongodb" and "@" in authority else tail):
        raise _unencoded(tail[0], ' (and an "@" after the host as %40)')
    if "#" in tail:
        raise _unencoded("#")
    if authority.count("@") > 1:
        raise _unencoded("@")
    login, at, hosts = authority.rpartition("@")
    user, colon, password = login.partition(":")
    path, _, query = tail.partition("?")
    return Url(
        scheme=scheme,
        username=decode(user) if at else None,
        password=decode(password) if at and colon else None,
        hosts=hosts,
        path=path,
        query=query,
    )


def decode(text: str, *, lines: bool = False) -> str:
    """Undoes percent-encoding once; `+` stays a plus.

    Args:
        text: what is encoded.
        lines: whether it may have several lines.
    """
    if _BAD_PERCENT.search(text):
        raise invalid('A "%" that does not begin an encoded character must be written as %25.')
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise invalid("A percent-encoded character is not UTF-8.") from None
    if _CONTROL.search(_LINES.sub("", decoded) if lines else decoded):
        raise invalid("The connection string has an encoded control character.")
    return decoded


def encode(text: str) -> str:
    """Percent-encodes every character but letters, digits and `_.-~`, which no reader takes for a delimiter."""
    return quote(text, safe="")


def userinfo(username: str | None, password: str | None) -> str:
    """`user:password@`, encoded; empty without either."""
    if username is None and password is None:
        return ""
    secret = "" if password is None else f":{encode(password)}"
    return f"{encode(username or '')}{secret}@"


def _check_characters(text: str) -> None:
    if not text:
        raise invalid("The connection string is empty.")
    if len(text) > MAX_LENGTH:
        raise invalid(f"The connection string is longer than {MAX_LENGTH} characters.")
    if text != text.strip():
        raise invalid("The connection string begins or ends with white space: remove it.")
    if _CONTROL.search(text):
        raise invalid("The connection string has a control character (line break, tab, NUL): remove it.")
    if any(character.isspace() for character in text):
        raise invalid("The connection string has white space: a space in a password is written as %20.")


def _wrong_scheme(scheme: str, type_: str) -> StudioError:
    expected = ", ".join(f"{each}://" for each, owner in SCHEMES.items() if owner == type_)
    owner = SCHEMES.get(scheme)
    if owner is None:  # an unknown scheme is not repeated: it may be anything that was pasted
        return invalid(f"A connection string of type {type_} begins with one of {expected}.")
    return invalid(
        f"{scheme}:// belongs to type {owner}; a connection string of type {type_} begins with one of {expected}."
    )


def _unencoded(character: str, more: str = "") -> StudioError:
    return invalid(
        f'A "{character}" in the user name or password must be written as %{ord(character):02X}{more}.'
    )


def _options(query: str) -> list[tuple[str, str]]:
    if not query:
        return []
    pairs = []
    for item in query.split("&"):
        key, equals, value = item.partition("=")
        if not equals or not _OPTION.fullmatch(key):
            raise invalid('What follows the "?" must be options, key=value, joined by "&".')
        pairs.append((key, decode(value, lines=key.lower() in _PEM_OPTIONS)))
    return pairs
