"""The token by which the registry knows the gateway: in a file that Envoy watches, renewed while the gateway runs.

It is short-lived like every service's, so that one that was seen somewhere is soon worth nothing.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from gateway import sds
from gateway.pg_meta import TOKEN_NAME
from services.runtime.auth.service_tokens import ServiceTokens

CHECK_EVERY_S = 20.0
"""Between two looks at whether a new token is due: a token is renewed a minute before it ends."""


class TokenFile:
    """The file.

    Args:
        path: where it lies, in a directory of our own user's.
        secret: the secret that all services share.
    """

    def __init__(self, path: Path, secret: SecretStr) -> None:
        self._path = path
        self._tokens = ServiceTokens("gateway", secret)
        self._written = ""

    def renew(self) -> None:
        """Writes the present token, unless it stands there already.

        Raises:
            OSError: the file can't be written.
        """
        token = self._tokens.current()
        if token == self._written:
            return
        bearer = {"generic_secret": {"secret": {"inline_string": f"Bearer {token}"}}}
        sds.write(self._path, TOKEN_NAME, bearer)
        self._written = token
