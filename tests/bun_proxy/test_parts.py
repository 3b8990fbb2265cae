"""The parts that need no socket: breaker, calls, options, headers."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.bun_proxy.forward import headers
from services.bun_proxy.forward.breaker import Breaker, State
from services.bun_proxy.forward.calls import Call, CallLog, percentiles
from services.bun_proxy.forward.messages import Head
from services.bun_proxy.forward.plane import Plane
from services.bun_proxy.limits import DEFAULTS
from services.bun_proxy.options import limits_of, parse
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e

FAILURE = StudioError(e.ERROR_REASON_DB_CONNECTION_FAILED, "It is down.")


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestBreaker:
    def test_it_opens_after_failures_in_a_row_only(self) -> None:
        breaker = Breaker(3, 10, Clock())
        for _ in range(2):
            breaker.failed(FAILURE)
        breaker.succeeded()
        for _ in range(2):
            breaker.failed(FAILURE)
        states = [breaker.state]
        breaker.failed(FAILURE)
        states.append(breaker.state)
        assert states == [State.CLOSED, State.OPEN]

    def test_while_it_is_open_requests_are_refused_with_the_time_to_wait(self) -> None:
        clock = Clock()
        breaker = Breaker(1, 10, clock)
        breaker.failed(FAILURE)
        clock.now = 4
        with pytest.raises(StudioError) as caught:
            breaker.admit()
        assert caught.value.retry_after_s == 6
        assert "It is down." in caught.value.hint
        stats = breaker.stats()
        assert (stats.state, stats.opened, stats.refused, stats.retry_after_s) == (State.OPEN, 1, 1, 6)

    def test_then_one_request_is_tried_at_a_time(self) -> None:
        clock = Clock()
        breaker = Breaker(1, 10, clock)
        breaker.failed(FAILURE)
        clock.now = 10
        assert breaker.state is State.HALF_OPEN
        assert breaker.admit()
        with pytest.raises(StudioError):
            breaker.admit()
        breaker.release()
        assert breaker.admit(), "the one that was tried ended without a verdict"

    @pytest.mark.parametrize(("works", "state"), [(True, State.CLOSED), (False, State.OPEN)])
    def test_it_decides(self, works: bool, state: State) -> None:  # noqa: FBT001  a case of the table
        clock = Clock()
        breaker = Breaker(5, 10, clock)
        for _ in range(5):
            breaker.failed(FAILURE)
        clock.now = 10
        assert breaker.admit()
        if works:
            breaker.succeeded()
        else:
            breaker.failed(FAILURE)
        breaker.release()
        assert breaker.state is state


class TestCalls:
    def test_the_last_ones_are_kept_the_newest_first(self) -> None:
        log = CallLog(apis=2, calls=3)
        for number in range(5):
            log.add("a", _call(number))
        assert [call.at for call in log.of("a")] == [4, 3, 2]

    def test_the_api_that_was_called_longest_ago_is_forgotten_first(self) -> None:
        log = CallLog(apis=2, calls=3)
        for name in ("a", "b", "a", "c"):
            log.add(name, _call(1))
        assert [len(log.of(name)) for name in "abc"] == [2, 0, 1]

    def test_percentiles_are_values_that_were_measured(self) -> None:
        assert percentiles(range(1, 101)) == [50, 90, 99]
        assert percentiles([7.0]) == [7, 7, 7]
        assert percentiles([3, 1, 2], [0, 100]) == [1, 3]
        assert percentiles([]) == []


def _call(at: float) -> Call:
    return Call(at, "GET", "/", 200, 1.0, 2.0, 0, 0, "")


class TestOptions:
    def test_a_base_url_in_parts(self) -> None:
        options = parse("https://:k%25y@[::1]:8443/a%20b/", {})
        assert (options.tls, options.host, options.port) == (True, "::1", 8443)
        assert (options.authority, options.base_path, options.origin) == (
            b"[::1]:8443",
            "/a%20b",
            "https://[::1]:8443",
        )
        assert (options.auth_header, options.auth_value) == (b"authorization", b"Bearer k%y")
        assert "k%y" not in repr(options)

    def test_default_ports_stay_unsaid(self) -> None:
        assert parse("https://api.example.com:443", {}).authority == b"api.example.com"
        assert parse("http://api.example.com:443", {}).authority == b"api.example.com:443"

    @pytest.mark.parametrize(
        "config",
        [
            {"auth_header": "a b"},
            {"auth_header": ""},
            {"auth_header": "Content-Length"},
            {"auth_header": 1},
            {"auth_scheme": "a\r\nb"},
        ],
    )
    def test_what_no_header_can_be_is_refused(self, config: dict[str, object]) -> None:
        with pytest.raises(StudioError):
            parse("http://:k@a", config)

    def test_http2_is_for_tls_alone_and_can_be_switched_off(self) -> None:
        assert parse("https://a", {}).http2
        assert not parse("http://a", {}).http2
        assert not parse("https://a", {"http2": False}).http2
        with pytest.raises(StudioError):
            parse("https://a", {"http2": "no"})

    @pytest.mark.parametrize("value", [0, -1, 301, math.nan, math.inf, True, "5"])
    def test_a_time_is_a_number_within_bounds(self, value: object) -> None:
        with pytest.raises(StudioError):
            limits_of({"answer_timeout_s": value}, DEFAULTS)

    def test_a_connection_may_narrow_the_services_bounds_not_widen_them(self) -> None:
        limits = limits_of({"max_request_bytes": 10.0}, DEFAULTS)
        assert (limits.max_request_bytes, limits.max_response_bytes) == (10, 0)
        assert limits_of({"max_request_bytes": 100.0}, limits).max_request_bytes == 10


class TestAnswerHeaders:
    OPTIONS = parse("http://api.example.com:3000/base", {})

    def test_what_an_api_says_for_its_origin_alone_is_dropped(self) -> None:
        said = [
            (b"strict-transport-security", b"max-age=1"),
            (b"alt-svc", b"h3"),
            (b"clear-site-data", b'"*"'),
            (b"x-envoy-immediate-health-check-fail", b"1"),
            (b"content-type", b"text/html"),
        ]
        assert headers.to_caller(said, self.OPTIONS, b"/p") == [(b"content-type", b"text/html")]

    @pytest.mark.parametrize(
        ("told", "given"),
        [
            (b"/base/a?b#c", b"/p/a?b#c"),
            (b"/base", b"/p"),
            (b"/basement", b"/basement"),
            (b"http://api.example.com:3000/base/a", b"/p/a"),
            (b"http://API.example.com:3000/base/a", b"/p/a"),
            (b"http://api.example.com/base/a", b"http://api.example.com/base/a"),
            (b"https://api.example.com:3000/base/a", b"https://api.example.com:3000/base/a"),
            (b"http://api.example.com:3000/other", b"http://api.example.com:3000/other"),
            (b"http://api.example.com:99999/", b"http://api.example.com:99999/"),
            (b"javascript:alert(1)", b"javascript:alert(1)"),
            (b"\xff", b"\xff"),
            (b"", b""),
        ],
    )
    def test_redirects_within_the_api_lead_through_the_proxy(self, told: bytes, given: bytes) -> None:
        assert headers.to_caller([(b"location", told)], self.OPTIONS, b"/p") == [(b"location", given)]

    def test_internal_callers_see_places_as_they_are(self) -> None:
        assert headers.to_caller([(b"location", b"/base/a")], self.OPTIONS, b"") == [
            (b"location", b"/base/a")
        ]

    def test_a_cookie_is_for_its_api_alone(self) -> None:
        told = b"a=b; Domain=example.com; path=/; Secure"
        assert headers.to_caller([(b"set-cookie", told)], self.OPTIONS, b"/p") == [
            (b"set-cookie", b"a=b; Secure; Path=/p")
        ]


class TestHealthOfThePlane:
    async def test_it_says_when_it_is_not_to_be_chosen_any_more(self) -> None:
        statuses: list[int] = []

        class Asker:
            def respond(self, head: Head) -> None:
                statuses.append(head.status)

            def data(self, body: bytes) -> None:
                assert body

            def end(self, trailers: list[tuple[bytes, bytes]]) -> None:
                assert trailers == []

        leaving = asyncio.Event()
        # Health is nothing that the databases, or the steps before them, are asked about.
        plane = Plane(cast("Any", None), [], cast("Any", None), leaving)
        asked = cast("Any", SimpleNamespace(target=b"/healthz"))
        await plane.handle(asked, cast("Any", Asker()))
        leaving.set()
        await plane.handle(asked, cast("Any", Asker()))
        assert statuses == [200, 503]
