"""One JSON object a line, whoever logs, and never a secret: neither there nor anywhere else the process writes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest

from services.runtime import context
from services.runtime.logs import get_logger
from studio.registry.v1.registry_service_pb2 import CreateDatabaseRequest
from tests.runtime.conftest import Output

CANARY = "canary-5b1e"
URL = f"redis://u:{CANARY}@h"


def test_a_line_has_the_event_and_its_facts(output: Output) -> None:
    get_logger("one").info("pool.closed", name="x", count=3, nested={"a": [1, None]})
    (line,) = output.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "pool.closed",
        "level": "info",
        "logger": "one",
        "service": "tests",
        "name": "x",
        "count": 3,
        "nested": {"a": [1, None]},
    }


def test_libraries_log_the_same_way(output: Output) -> None:
    logging.getLogger("library").warning("connect to %s failed", URL)
    (line,) = output.lines
    assert (line["event"], line["logger"]) == ("connect to redis://***@h failed", "library")


def test_the_request_id_is_on_every_line_of_a_call(output: Output) -> None:
    reset = context.request_id.set("req-9")
    get_logger("one").info("a")
    logging.getLogger("library").warning("b")
    context.request_id.reset(reset)
    get_logger("one").info("c")
    assert [line.get("request_id") for line in output.lines] == ["req-9", "req-9", None]


@pytest.mark.parametrize("odd", ['\n{"event":"forged"}', "\r\n", "\u2028", "\x1b[31m", "\x00", "\ud800", "é"])
def test_no_text_makes_a_second_line(output: Output, odd: str) -> None:
    get_logger("one").info("event", value=f"a{odd}b", **{f"k{odd}": 1})
    logging.getLogger("library").warning("text %s", odd)
    assert len(output.text.splitlines()) == 2 == len(output.lines)
    assert output.lines[0]["value"] == f"a{odd}b"


def test_values_are_redacted_by_name_and_by_shape(output: Output) -> None:
    log = get_logger("one").bind(password=CANARY)
    log.info(
        "event",
        _private=URL,
        error=ValueError(URL),
        request=CreateDatabaseRequest(password=CANARY, connection_string=URL),
        raw=CANARY.encode(),
        text=f"at {URL}",
    )
    assert CANARY not in output.text
    assert output.lines[0]["request"] == {"password": "***", "connection_string": "***"}


def test_a_traceback_is_redacted_with_its_causes(output: Output) -> None:
    def fail() -> None:
        try:
            {"a": 1}[URL]
        except KeyError as error:
            raise RuntimeError(f"password={CANARY}") from error

    for log in (get_logger("one"), logging.getLogger("library")):
        try:
            fail()
        except RuntimeError:
            log.exception("failed")
    assert CANARY not in output.text
    for line in output.lines:
        assert "RuntimeError: password=***" in line["exception"]
        assert "KeyError" in line["exception"]


def test_what_can_not_be_formatted_says_so_without_showing_it(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if each.formatter is root.handlers[0].formatter]
    logging.getLogger("library").warning("%d", URL)
    (line,) = output.lines
    assert (line["event"], line["source"], line["error"]) == ("log.unprintable", "library", "TypeError")
    assert capsys.readouterr().err == ""


def test_warnings_and_uncaught_errors_go_to_the_log(
    output: Output, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"deprecated {URL}", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    error = RuntimeError(URL)
    sys.excepthook(RuntimeError, error, None)
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, error, None, None)))
    assert [line["event"] for line in output.lines][1:] == ["uncaught", "uncaught"]
    assert "DeprecationWarning" in output.lines[0]["event"]
    assert capsys.readouterr().err == ""
    assert CANARY not in output.text


def test_a_level_below_the_threshold_is_not_written(output: Output) -> None:
    logging.getLogger().setLevel("WARNING")
    get_logger("one").info("a")
    get_logger("one").warning("b")
    logging.getLogger("httpx").info("GET https://h/?apikey=x")
    assert [line["event"] for line in output.lines] == ["b"]


# Each of these ends a service in another way; none may show what it held.
ENDS = {
    "an error of the app": "raise RuntimeError(URL)",
    "an error with a cause": "raise RuntimeError('outer') from ValueError(URL)",
    "a group": "raise ExceptionGroup('several', [ValueError(URL), KeyError(URL)])",
    "a background task": """
        async def fail(): raise RuntimeError(URL)
        runtime.background('x', fail); await asyncio.sleep(0.2); raise RuntimeError(URL)""",
    "a forgotten task": """
        async def fail(): raise RuntimeError(URL)
        task = asyncio.create_task(fail()); await asyncio.sleep(0.1); del task; gc.collect()
        raise RuntimeError('x')""",
    "a thread": """
        def fail(): raise RuntimeError(URL)
        thread = threading.Thread(target=fail); thread.start(); thread.join(); raise RuntimeError('x')""",
    "a finalizer": """
        class Odd:
            def __del__(self): raise RuntimeError(URL)
        Odd(); raise RuntimeError('x')""",
    "a warning": "warnings.warn(URL); raise RuntimeError('x')",
    "a broken log call": "logging.getLogger('library').warning('%d', URL); raise RuntimeError('x')",
    "an error of the loop": """
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: {}[URL]); await asyncio.sleep(0.1); raise RuntimeError('x')""",
}

PROGRAM = """
import asyncio, contextlib, gc, logging, os, threading, warnings
from services.runtime.server import run
from services.runtime.settings import ServiceSettings
URL = "redis://u:" + os.environ["HELD"] + "@h"
@contextlib.asynccontextmanager
async def open_app(settings, runtime):
{body}
    yield ()
run("ending", ServiceSettings, open_app)
"""


@pytest.mark.parametrize("end", ENDS)
def test_nothing_a_service_writes_shows_a_secret_however_it_ends(end: str) -> None:
    body = textwrap.indent(textwrap.dedent(ENDS[end]).strip(), "    ")
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        env={
            "GRPC_ADDRESS": "127.0.0.1:0",
            "HTTP_ADDRESS": "127.0.0.1:0",
            "JWT_SECRET": "user-secret-0123456789-abcdefghijkl",
            "SERVICE_TOKEN_SECRET": "service-secret-0123456789-abcdefghi",
            "HELD": CANARY,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 1
    assert CANARY not in result.stdout + result.stderr
    assert result.stderr == ""
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[-1]["event"] == "service.failed"
    assert {line["service"] for line in lines} == {"ending"}


def test_libraries_say_nothing_of_what_they_send_at_the_level_debug(output: Output) -> None:
    logging.getLogger("hpack.hpack").debug("Decoded %s", CANARY)
    get_logger("services.one").debug("seen")
    assert [line["event"] for line in output.lines] == ["seen"]
