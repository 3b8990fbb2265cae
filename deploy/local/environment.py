"""What a program of the local system inherits from the environment that `make run` was called in.

Tuning (`LOG_LEVEL`, limits, flags) passes; secrets don't: each program is given the ones that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Names that hold, or may hold, credentials: keys, tokens, and URLs with a password.
SECRET = re.compile(
    r"SECRET|PASSW|TOKEN|CREDENTIAL|_KEY$|_KEYS$|_KEYS?_RETIRED$|_URLS?$|_URI$|_DSN$|^PG(?!_META)|AUTH|_HEADERS$",
    re.IGNORECASE,
)
# What only concerns the one who called: make's own variables and the launcher's options.
CALLER = re.compile(
    r"^(MAKE.*|MFLAGS|STATE_DIR|ROLE|PORT|GATEWAY_(HOST|PORT|STATE_DIR)"
    r"|GRPC_ADDRESS|HTTP_ADDRESS|\w+_(SVC|PROXY)_ADDRESS)$"
)
NO_PROXY = ("127.0.0.1", "localhost", "::1")


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that every program may see."""
    passed = {
        name: value
        for name, value in environment.items()
        if not SECRET.search(name) and not CALLER.search(name)
    }
    # gRPC and httpx would otherwise send calls between our own processes to a proxy.
    for name in ("no_proxy", "NO_PROXY"):
        listed = [entry for entry in environment.get(name, "").split(",") if entry]
        passed[name] = ",".join(dict.fromkeys((*listed, *NO_PROXY)))
    return passed
