"""The registry's commands for operators, as they stand on the command line: what they read, print and answer.

Names and ids of databases are printed, never a value.
"""

from __future__ import annotations

import argparse
import sys

from pydantic import SecretStr, field_validator

from services.registry.audit.chain import Link
from services.registry.audit.settings import AuditSettings
from services.registry.audit.verification import verify_chain
from services.registry.migrations import MigrationError, migrate
from services.registry.resealing import Report, Task, reseal
from services.registry.settings import KeySettings, check_database_url
from services.registry.stored_values import BATCH_ROWS, MAX_BATCH_ROWS, OperationError, Row, session
from services.registry.vault import Form, Vault
from services.registry.verification import verify
from services.runtime import settings as runtime_settings
from services.runtime.base_settings import Settings
from services.runtime.openapi import render

FAILED = 1
"""Exit code: some rows are not as they should be."""


class MigrationSettings(Settings):
    """What `migrate` reads: the other settings may not be there yet."""

    database_url: SecretStr
    """The platform database."""

    @field_validator("database_url")
    @classmethod
    def _is_a_url_of_postgres(cls, value: SecretStr) -> SecretStr:
        check_database_url(value.get_secret_value())
        return value


class CommandSettings(MigrationSettings, KeySettings):
    """What the commands read that open connection strings: the registry's own keys."""


class AuditCommandSettings(MigrationSettings, AuditSettings):
    """What `verify-audit` reads."""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Adds the commands to the command line."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="run the registry (the default)")
    commands.add_parser("migrate", help="apply deploy/sql to the platform database")
    rotate = commands.add_parser("rotate-keys", help="seal every connection string with the current keys")
    imported = commands.add_parser(
        "import", help="encrypt connection strings that crypto-js wrote or that are not encrypted"
    )
    verified = commands.add_parser("verify", help="check that every connection string opens")
    commands.add_parser("openapi", help="print the OpenAPI document of the whole API")
    audit = commands.add_parser("verify-audit", help="check that the audit log is as it was recorded")
    audit.add_argument(
        "--since",
        type=_link,
        metavar="SEQUENCE:HASH",
        help="a head that was printed before: it must still be there, and only what is newer is checked",
    )
    for each in (rotate, imported):
        each.add_argument("--dry-run", action="store_true", help="only say what would be done")
    for each in (rotate, imported, verified):
        each.add_argument(
            "--batch",
            type=_batch_size,
            default=BATCH_ROWS,
            metavar="N",
            help=f"rows at a time, 1 to {MAX_BATCH_ROWS} (default {BATCH_ROWS})",
        )


def run_command(arguments: argparse.Namespace) -> None:
    """Runs one of the commands that end by themselves.

    Raises:
        SystemExit: a setting is missing or wrong, the platform database can't be used, or rows are not as they should
            be; with a sentence or FAILED.
    """
    command: str = arguments.command
    try:
        if command == "migrate":
            settings = runtime_settings.load(MigrationSettings)
            for line in migrate(settings.database_url.get_secret_value()):
                _say(command, line)
        elif command == "openapi":
            sys.stdout.write(render(indent=2).decode() + "\n")
        elif command == "verify":
            _verify(arguments)
        elif command == "verify-audit":
            _verify_audit(arguments)
        else:
            _reseal(arguments)
    except (MigrationError, OperationError) as error:
        raise SystemExit(f"{command}: {error}") from None


def _reseal(arguments: argparse.Namespace) -> None:
    command: str = arguments.command
    is_import = command == "import"
    settings = runtime_settings.load(CommandSettings)

    def failed(row: Row, reason: str) -> None:
        _say(command, f"can't be read: {_named(row)}: {reason}")

    def progress(report: Report) -> None:
        _say(command, f"{report.total()} done, {report.unreadable} can't be read")

    task = Task(
        forms=(Form.LEGACY, Form.PLAIN) if is_import else (Form.RETIRED, Form.LEGACY, Form.PLAIN),
        batch_rows=arguments.batch,
        dry_run=arguments.dry_run,
        progress=progress,
        failed=failed,
    )
    with session(settings.database_url.get_secret_value()) as connection:
        report = reseal(connection, Vault(settings), task)
    verb = "would be sealed anew" if arguments.dry_run else "sealed anew"
    for form, count in sorted(report.done.items(), key=lambda each: each[0].name):
        _say(command, f"{count} {form.value}: {verb}")
    if report.changed_meanwhile:
        _say(command, f"{report.changed_meanwhile} changed meanwhile: kept as changed, and looked at again")
    _say(command, f"{report.total()} {verb}, {report.unreadable} can't be read")
    if report.unreadable:
        raise SystemExit(FAILED)


def _verify(arguments: argparse.Namespace) -> None:
    settings = runtime_settings.load(CommandSettings)

    def failed(row: Row, reason: str) -> None:
        _say("verify", f"failed: {_named(row)}: {reason}")

    with session(settings.database_url.get_secret_value()) as connection:
        findings = verify(connection, Vault(settings), batch_rows=arguments.batch, failed=failed)
    for (type_, form), count in sorted(
        findings.forms.items(), key=lambda each: (each[0][0], each[0][1].name)
    ):
        _say("verify", f"{type_}: {count} {form.value}")
    total = findings.forms.total()
    _say("verify", f"{total} open, {findings.failed} failed")
    if findings.failed:
        raise SystemExit(FAILED)


def _verify_audit(arguments: argparse.Namespace) -> None:
    command: str = arguments.command
    settings = runtime_settings.load(AuditCommandSettings)
    with session(settings.database_url.get_secret_value()) as connection:
        found = verify_chain(connection, settings.chain_keys(), arguments.since)
    if found.gone:
        _say(command, f"that place has gone by its age: checked from row {found.start.sequence + 1} on")
    after = f" after row {found.start.sequence}" if found.start.sequence else ""
    _say(command, f"{found.rows} rows{after} are as they were recorded")
    if found.fault:
        _say(command, f"failed: {found.fault}")
        raise SystemExit(FAILED)
    _say(command, f"head {found.head}")


def _named(row: Row) -> str:
    return f"{row.type} {row.id} {row.name!r}"


def _say(command: str, line: str) -> None:
    sys.stdout.write(f"{command}: {line}\n")
    sys.stdout.flush()


def _link(text: str) -> Link:
    try:
        return Link.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _batch_size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= MAX_BATCH_ROWS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MAX_BATCH_ROWS}")
    return size
