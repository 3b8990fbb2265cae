"""From a bearer token to a caller.

Users: HS256 with `JWT_SECRET` (Supabase's own keys work) or a key of the JWKS. Services: their own secret, see
`service_tokens`. Which of them is tried follows from the token, what it is worth only from its signature.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import jwt
from pydantic import SecretStr

from services.runtime.auth import service_tokens
from services.runtime.context import Caller, Credential
from services.runtime.errors import StudioError
from studio.options.v1 import access_pb2
from studio.options.v1.errors_pb2 import ERROR_REASON_AUTH_INVALID_TOKEN

if TYPE_CHECKING:
    from services.runtime.auth.jwks import Jwks

ASYMMETRIC = ("ES256", "RS256", "EdDSA")
"""Algorithms of the keys in a JWKS: a public key must never be taken for an HMAC secret."""

ROLES: dict[str, access_pb2.Role.ValueType] = {
    "service_role": access_pb2.ROLE_OWNER,
    "owner": access_pb2.ROLE_OWNER,
    "administrator": access_pb2.ROLE_ADMINISTRATOR,
    "developer": access_pb2.ROLE_DEVELOPER,
    "read_only": access_pb2.ROLE_READ_ONLY,
}
"""The `role` claim and what it is worth here. `anon`, `authenticated` and all others: nothing."""

ANONYMOUS = "anon"
"""The role of Supabase's public key."""

MAX_TOKEN_CHARS = 8192
CACHE_SIZE = 1024
CACHE_S = 30.0
"""Seconds for which a verified token is not verified again, so that a key removed from the JWKS soon counts."""
LEEWAY_S = 5
MAX_SUBJECT_CHARS = 256


class TokenVerifier:
    """Verifies tokens and remembers the last ones: a signature costs more than the rest of a small call.

    Args:
        jwt_secret: HS256 secret of user tokens, if any.
        keys: JWKS of user tokens, if any.
        service_secret: secret of service tokens.
    """

    def __init__(self, *, jwt_secret: SecretStr | None, keys: Jwks | None, service_secret: SecretStr) -> None:
        self._jwt_secret = jwt_secret
        self._jwks = keys
        self._service_secret = service_secret
        self._verified: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    async def verify(self, token: str) -> Caller:
        """The caller whose token this is.

        Raises:
            StudioError: AUTH_INVALID_TOKEN with a sentence that says what is wrong with it.
        """
        now = asyncio.get_running_loop().time()
        known = self._verified.get(token)
        if known is not None and now < known[1]:
            return known[0]
        caller, lifetime_s = await self._verify(token)
        self._verified[token] = (caller, now + min(CACHE_S, lifetime_s))
        self._verified.move_to_end(token)
        if len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return caller

    async def _verify(self, token: str) -> tuple[Caller, float]:
        if len(token) > MAX_TOKEN_CHARS:
            raise _invalid("The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
            if unverified.get("iss") == service_tokens.ISSUER:
                return self._service(token)
            claims = await self._user_claims(token, header)
        except jwt.ExpiredSignatureError:
            raise _invalid("The token has expired.") from None
        except jwt.PyJWTError as error:
            raise _invalid(f"The token is not valid: {_reason(error)}.") from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            # PyJWT lets through what JSON allows and Python minds: claims nested a thousand deep, `exp: 1e999`.
            raise _invalid("The token is not valid: it is malformed.") from None
        role = claims.get("role")
        subject = str(claims.get("sub") or role or "unknown")[:MAX_SUBJECT_CHARS]
        granted = (
            ROLES.get(role, access_pb2.ROLE_UNSPECIFIED)
            if isinstance(role, str)
            else access_pb2.ROLE_UNSPECIFIED
        )
        expires_at = float(claims["exp"])
        return Caller(subject, granted, expires_at=expires_at, is_anonymous=role == ANONYMOUS), _lifetime_s(
            claims
        )

    def _service(self, token: str) -> tuple[Caller, float]:
        claims = _decode(
            token,
            self._service_secret.get_secret_value(),
            [service_tokens.ALGORITHM],
            audience=service_tokens.AUDIENCE,
        )
        caller = Caller(
            str(claims.get("sub", "")),
            access_pb2.ROLE_INTERNAL,
            credential=Credential.SERVICE,
            expires_at=float(claims["exp"]),
        )
        return caller, _lifetime_s(claims)

    async def _user_claims(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._jwt_secret is not None:
            return _decode(token, self._jwt_secret.get_secret_value(), ["HS256"])
        if algorithm in ASYMMETRIC and self._jwks is not None:
            key = await self._jwks.key(str(header.get("kid", "")))
            return _decode(token, key.key, [key.algorithm_name])
        raise jwt.InvalidAlgorithmError("its algorithm is not accepted")


def bearer_token(authorization: str) -> str:
    """The token in an `Authorization` value (RFC 6750, section 2.1); empty when it is of another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _decode(token: str, key: Any, algorithms: list[str], audience: str | None = None) -> dict[str, Any]:  # noqa: ANN401
    options: Any = {
        "require": ["exp"],
        "verify_aud": audience is not None,
        "enforce_minimum_key_length": False,
    }
    decoded: dict[str, Any] = jwt.decode(
        token, key, algorithms=algorithms, audience=audience, leeway=LEEWAY_S, options=options
    )
    return decoded


def _lifetime_s(claims: dict[str, Any]) -> float:
    return max(0.0, float(claims["exp"]) - time.time())


def _invalid(message: str) -> StudioError:
    return StudioError(ERROR_REASON_AUTH_INVALID_TOKEN, message)


def _reason(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.InvalidSignatureError):
        return "its signature is wrong"
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it has no claim {error.claim}"
    if isinstance(error, jwt.ImmatureSignatureError):
        return "it is not valid yet"
    if isinstance(error, jwt.InvalidAlgorithmError):
        return "its algorithm is not accepted"
    return "it is malformed"
