"""What the local system has to show: sample data in the embedded engines, and every engine registered.

To add an engine's: write its sample data, and list it in `SAMPLES`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import sample_data, sample_documents, sample_tables
from deploy.local.engines import Engine
from deploy.local.engines.bun import KEY as BUN_KEY
from deploy.local.options import LocalError, Options
from deploy.local.register import register
from deploy.local.state import State

SHOP_KEY = "POSTGRES_SHOP_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one engine has to show."""

    engine: str
    """Its name in `engines.KINDS`."""
    type: str
    """The type of its connections."""
    variable: str
    """Names the user's engine, in place of the embedded one."""
    things: str
    """What is written, in the plural."""
    write_once: Callable[[str, Path, State], int]
    """Writes the sample data to the engine at a URL unless a folder says so already; returns how much."""
    registered: Callable[[str, State], str] = lambda url, _: url
    """What is registered for the embedded engine at a URL."""
    replaced: bool = True
    """Whether the user's engine is registered in its place."""


SAMPLES = (
    Sample(
        engine="redis",
        type="redis",
        variable="REDIS_URL",
        things="keys",
        write_once=lambda url, folder, _: sample_data.write_once(url, folder),
    ),
    Sample(
        engine="mongodb",
        type="mongodb",
        variable="MONGODB_URL",
        things="documents",
        write_once=lambda url, folder, _: sample_documents.write_once(url, folder),
        registered=lambda url, _: sample_documents.url_of_the_database(url),
    ),
    Sample(
        engine="bun",
        type="bun_api",
        variable="BUN_API_URL",
        things="books",
        write_once=lambda *_: 0,  # its program has them
        registered=lambda url, state: url.replace("://", f"://:{state.secret(BUN_KEY)}@", 1),
        replaced=False,  # the registry shows it by itself, with BUN_API_KEY
    ),
    Sample(
        engine="postgres",
        type="postgres",
        variable="DATABASE_URL",
        things="rows",
        write_once=lambda url, _, state: sample_tables.write_once(url, state.secret(SHOP_KEY)),
        registered=lambda url, state: sample_tables.url_of_the_database(url, state.secret(SHOP_KEY)),
        replaced=False,  # the registry shows it by itself
    ),
)


def show(
    sample: Sample,
    options: Options,
    engines: Mapping[str, Engine],
    state: State,
    *,
    gateway_url: str,
    context: ssl.SSLContext | None,
    token: str,
    say: Callable[[str], None],
) -> None:
    """Writes the sample data of an engine, and registers the engine.

    Raises:
        LocalError: the embedded engine could not be registered.
    """
    embedded = engines.get(sample.engine)
    if embedded is not None:
        written = sample.write_once(embedded.url, options.state_dir / embedded.name, state)
        if written:
            say(f"wrote {written} sample {sample.things}")
        text = sample.registered(embedded.url, state)
        register(gateway_url, token, context=context, type_=sample.type, connection_string=text)
    elif sample.replaced and (url := options.own_engine(sample.engine)) is not None:
        try:
            register(gateway_url, token, context=context, type_=sample.type, connection_string=url)
        except LocalError as error:
            # It is the user's, and may be down today; the rest of the system is of use without it.
            say(f"{sample.variable}: {error}")
