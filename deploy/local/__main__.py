"""`make run`: starts the local system, tells what happens to it, and stops it on Ctrl-C or SIGTERM.

    python -m deploy.local [--with-parent]

`--with-parent` ends the system when the calling process dies, even if that is killed. Options: `options.py`.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading

from deploy.local.child import die_with_parent
from deploy.local.options import LocalError, Options, from_environment, state_dir
from deploy.local.readiness import Interrupted
from deploy.local.services import CONSOLE
from deploy.local.supervisor import Event
from deploy.local.system import System

FAILED, BAD_USAGE = 1, 2


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


class Reporter:
    """Says what happens to the processes, once the system has started."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._ended: dict[str, str] = {}
        self._supervisor_ended = False

    def __call__(self, event: Event) -> None:
        """Takes one event; runs in the thread that reads supervisord's log."""
        if event.kind == "exited":
            self._ended[event.name] = _how(event.detail)
        elif event.kind == "spawned" and event.name in self._ended:
            self._say(f"{event.name} {self._ended.pop(event.name)}, restarted (pid {event.detail})")
        elif event.kind == "gave up":
            self._say(f"{event.name} does not stay up and is no longer restarted; see its log")
        elif event.kind == "supervisor ended":
            self._supervisor_ended = not self._stop.is_set()
            self._stop.set()

    def check(self) -> None:
        """Raises LocalError when it was not the user who ended the system."""
        if self._supervisor_ended:
            raise LocalError("the supervisor ended unexpectedly, and with it the system; see supervisord.log")

    def _say(self, text: str) -> None:
        if not self._stop.is_set():
            say(text)


def _how(detail: str) -> str:
    """Turns supervisord's `exit status 1` and `terminated by SIGKILL` into a part of a sentence."""
    return detail.replace("exit status", "exited with").replace("terminated by", "was killed by")


def _token_command(options: Options) -> str:
    """What prints a token for this system: not for the one in the default directory, where it is another one."""
    where = "" if options.state_dir == state_dir({}) else f" STATE_DIR={shlex.quote(str(options.state_dir))}"
    return f"make -s token ROLE=owner{where}"


def run() -> int:
    """Runs the system until it is told to stop; returns the exit code."""
    if "--with-parent" in sys.argv[1:]:
        die_with_parent(signal.SIGTERM, os.getppid())
    try:
        options = from_environment(os.environ)
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_USAGE
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    reporter = Reporter(stop)
    system = System(options, environment=os.environ, say=say, on_event=reporter)
    try:
        say(f"starting the system in {system.state.path} …")
        system.start(stop)
        say(f"logs:  {system.state.logs}")
        say(f"token: {_token_command(options)}   (or administrator, developer, read_only)")
        if CONSOLE.is_dir():
            say(f"pages: {system.sign_in_link()}   (signs in once, within 15 minutes)")
        say(f"ready {system.url}")
        stop.wait()
        reporter.check()
    except Interrupted:
        pass
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return FAILED
    finally:
        stop.set()
        say("stopping …")
        system.close()
    return 0


if __name__ == "__main__":
    sys.exit(run())
