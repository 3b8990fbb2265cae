"""What the local system has to show: sample data in the embedded engines, and every engine registered.

To add an engine's: write its sample data, and list it in `SAMPLES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import sample_data, sample_documents
from deploy.local.engines import Engine
from deploy.local.options import LocalError, Options
from deploy.local.register import register


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one engine has to show."""

    engine: str
    """Its name in `engines.KINDS`, which is the type of its connections as well."""
    variable: str
    """Names the user's engine, in place of the embedded one."""
    things: str
    """What is written, in the plural."""
    write_once: Callable[[str, Path], int]
    """Writes the sample data to the engine at a URL unless a folder says so already; returns how much."""
    registered: Callable[[str], str] = lambda url: url
    """What is registered for the embedded engine at a URL."""


SAMPLES = (
    Sample(
        engine="redis",
        variable="REDIS_URL",
        things="keys",
        write_once=sample_data.write_once,
    ),
    Sample(
        engine="mongodb",
        variable="MONGODB_URL",
        things="documents",
        write_once=sample_documents.write_once,
        registered=sample_documents.url_of_the_database,
    ),
)


def show(
    sample: Sample,
    options: Options,
    engines: Mapping[str, Engine],
    *,
    gateway_url: str,
    token: str,
    say: Callable[[str], None],
) -> None:
    """Writes the sample data of an engine, and registers the engine.

    Raises:
        LocalError: the embedded engine could not be registered.
    """
    embedded = engines.get(sample.engine)
    if embedded is not None:
        written = sample.write_once(embedded.url, options.state_dir / embedded.name)
        if written:
            say(f"wrote {written} sample {sample.things}")
        register(gateway_url, token, type_=sample.engine, connection_string=sample.registered(embedded.url))
    elif (url := options.own_engine(sample.engine)) is not None:
        try:
            register(gateway_url, token, type_=sample.engine, connection_string=url)
        except LocalError as error:
            # It is the user's, and may be down today; the rest of the system is of use without it.
            say(f"{sample.variable}: {error}")
