"""Certificates and keys given as text, for libraries that read them from files."""

from __future__ import annotations

import os
import tempfile
from typing import IO


def nameless_file(text: str) -> tuple[IO[str], str]:
    """A file that holds the text, and the path by which this process reads it; closing it ends it.

    It has no name in any directory where the system can do that; elsewhere it is readable to us alone.
    """
    if hasattr(os, "memfd_create"):
        file: IO[str] = os.fdopen(os.memfd_create("certificate"), "w")
        path = f"/proc/self/fd/{file.fileno()}"
    else:
        file = tempfile.NamedTemporaryFile("w")  # noqa: SIM115  closed by the caller
        path = file.name
    file.write(text)
    file.flush()
    return file, path
