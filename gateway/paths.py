"""Path templates of `google.api.http` as Envoy route matches, and the paths that are refused outright.

The transcoder matches templates by itself; these matches only have to agree with it, so that each known path
has a route (405 for a wrong method) and an unknown one has none (404).
"""

from __future__ import annotations

import re

VARIABLE = re.compile(r"\{[^}=]+(?:=([^}]*))?\}")

_HEX = "[0-9A-Fa-f]"
_TAIL = f"%[89ABab]{_HEX}"
# Every sequence of more than one byte ends with a tail, so the tails are factored out: Envoy refuses regular
# expressions that compile to more than 100 instructions.
_UTF8 = (
    r"[ -$&-~]"
    rf"|%[0-7]{_HEX}"
    rf"|%(?:[Cc][2-9A-Fa-f]|[Dd]{_HEX}"
    rf"|[Ee](?:0%[ABab]{_HEX}|[Dd]%[89]{_HEX}|[1-9A-Ca-cEeFf]{_TAIL})"
    rf"|[Ff](?:0%[9ABab]{_HEX}|[1-3]{_TAIL}|4%8{_HEX}){_TAIL}){_TAIL}"
)
UTF8_TARGET = rf"(?:{_UTF8})*"
"""A path and query in ASCII whose percent-escapes spell UTF-8: https://www.rfc-editor.org/rfc/rfc3629#section-4.

Anything else would become a proto string that no service can parse, which gRPC answers as an internal error.
"""

CONTROL_ESCAPE = r"[^?]*%(?:[01][0-9A-Fa-f]|7[Ff])[^?]*(?:\?.*)?"
"""A path (not a query: a key may hold any character) with an escaped control character, NUL among them."""

ODD_SEGMENTS = r"[^?]*/(?:/|(?:\.|%2[Ee]){1,2}(?:/|\?|$))[^?]*(?:\?.*)?"
"""A path with an empty segment, or with `.` or `..`, escaped or not.

They are refused, not resolved: what a proxy resolves and a service does not is how access rules are bypassed.
"""


def regex(template: str) -> str:
    """The RE2 expression that matches exactly the template's paths: one variable, one segment."""
    parts = []
    end = 0
    for match in VARIABLE.finditer(template):
        parts.append(_literal(template[end : match.start()]))
        parts.append(_literal(match[1] or "*"))
        end = match.end()
    parts.append(_literal(template[end:]))
    return "".join(parts)


def is_literal(template: str) -> bool:
    """Whether the template is one path and nothing else."""
    return "{" not in template and "*" not in template


def sample(template: str) -> str:
    """A path that the template matches, with values that no literal of the contract is."""
    return VARIABLE.sub(lambda match: match[1] or "-", template).replace("**", "-").replace("*", "-")


def specificity(template: str) -> tuple[tuple[int, str], ...]:
    """Sorts templates so that of two that match one path the transcoder's choice comes first.

    Segment by segment, a literal wins over a variable, a variable over a rest of any length.
    """
    return tuple((_rank(segment), segment) for segment in template.strip("/").split("/"))


def _rank(segment: str) -> int:
    if "**" in segment:
        return 2
    return 0 if is_literal(segment) else 1


def _literal(text: str) -> str:
    quoted = (re.escape(part).replace(r"\*", "[^/]+") for part in text.split("**"))
    return ".+".join(quoted)
