"""The tokens by which services of this system know each other.

A JWT signed with `SERVICE_TOKEN_SECRET`, which no user holds: whoever owns `JWT_SECRET` can make an owner, never a
service. Short-lived, so that one that was seen somewhere is soon worth nothing.
"""

from __future__ import annotations

import time

import jwt
from pydantic import SecretStr

from services.runtime.tls.files import CertificateFiles

ISSUER = "studio-databases"
AUDIENCE = "studio-databases-services"
ALGORITHM = "HS256"
LIFETIME_S = 300
RENEW_BEFORE_S = 60


class ServiceTokens:
    """Mints tokens for one service, a new one a minute before the last one ends.

    Args:
        service: name of the service that calls.
        secret: the secret that all services share.
        tls: where services speak mutual TLS, what this one shows. It is here so that whoever calls another service
            with a token has it: a channel without it would be refused.
    """

    def __init__(self, service: str, secret: SecretStr, tls: CertificateFiles | None = None) -> None:
        self.tls = tls
        self._service = service
        self._secret = secret
        self._token = ""
        self._renew_at = 0.0

    def current(self) -> str:
        """A token that is valid for at least `RENEW_BEFORE_S` seconds."""
        now = time.time()
        if now >= self._renew_at:
            expires = now + LIFETIME_S
            claims = {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "sub": self._service,
                "iat": int(now),
                "exp": int(expires),
            }
            self._token = jwt.encode(claims, self._secret.get_secret_value(), algorithm=ALGORITHM)
            self._renew_at = expires - RENEW_BEFORE_S
        return self._token
