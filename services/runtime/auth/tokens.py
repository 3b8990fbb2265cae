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
from services.runtime.auth.claims import caller_of
from services.runtime.auth.refusals import WrongCredentialError, ended
from services.runtime.context import Caller, Credential
from studio.options.v1 import access_pb2

if TYPE_CHECKING:
    from services.runtime.auth.jwks import Jwks

ASYMMETRIC = ("ES256", "RS256", "EdDSA")
"""Algorithms of the keys in a JWKS: a public key must never be taken for an HMAC secret."""

MAX_TOKEN_CHARS = 8192
CACHE_SIZE = 1024
CACHE_S = 30.0
"""Seconds for which a verified token is not verified again, so that a key removed from the JWKS soon counts."""
LEEWAY_S = 5


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

    def known(self, token: str) -> Caller | None:
        """The caller of a token that was verified a moment ago; None for any other."""
        known = self._verified.get(token)
        if known is not None and asyncio.get_running_loop().time() < known[1]:
            return known[0]
        return None

    async def verify(self, token: str) -> Caller:
        """The caller whose token this is.

        Raises:
            StudioError: AUTH_INVALID_TOKEN with a sentence that says what is wrong with it.
        """
        known = self.known(token)
        if known is not None:
            return known
        caller = await self._verify(token)
        now = asyncio.get_running_loop().time()
        self._verified[token] = (caller, now + min(CACHE_S, max(0.0, caller.expires_at - time.time())))
        self._verified.move_to_end(token)
        if len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return caller

    async def _verify(self, token: str) -> Caller:
        if len(token) > MAX_TOKEN_CHARS:
            raise WrongCredentialError("The token is too long.")
        try:
            header = jwt.get_unverified_header(token)
            unverified = jwt.decode(token, options={"verify_signature": False})
            if unverified.get("iss") == service_tokens.ISSUER:
                return self._service(token)
            return caller_of(await self._user_claims(token, header))
        except jwt.ExpiredSignatureError:
            raise ended("The token has expired.") from None
        except jwt.PyJWTError as error:
            raise WrongCredentialError(f"The token is not valid: {_reason(error)}.") from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            # PyJWT lets through what JSON allows and Python minds: claims nested a thousand deep, `exp: 1e999`.
            raise WrongCredentialError("The token is not valid: it is malformed.") from None

    def _service(self, token: str) -> Caller:
        claims = _decode(
            token,
            self._service_secret.get_secret_value(),
            [service_tokens.ALGORITHM],
            audience=service_tokens.AUDIENCE,
        )
        return Caller(
            str(claims.get("sub", "")),
            access_pb2.ROLE_INTERNAL,
            credential=Credential.SERVICE,
            expires_at=float(claims["exp"]),
        )

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
