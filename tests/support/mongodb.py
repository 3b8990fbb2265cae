"""Runs the embedded MongoDB for tests, without a supervisor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from deploy.local.engines import Secantus
from deploy.local.engines.secantus import ServerTls
from deploy.local.options import LOOPBACK
from deploy.local.state import State
from tests.support.engines import Foreground
from tests.support.tls import Authority

Document = dict[str, Any]


class MongoUser(NamedTuple):
    """A user that a server shall have, in `admin`."""

    name: str
    password: str
    roles: Sequence[str | Mapping[str, str]] = ()
    """Of `admin`, or as in `{"role": "read", "db": "shop"}`."""


class MongoServer(Foreground):
    """An embedded MongoDB; `suspend` makes it hang. After `kill` and `start` a durable one has its data."""

    def __init__(self, engine: Secantus, state: State, authority: Authority | None = None) -> None:
        super().__init__(engine.program(), state)
        self.engine = engine
        self.host = LOOPBACK
        self.port = engine.port
        self.password = engine.password
        """The superuser's; empty on a server without authentication."""
        self.url = engine.url
        """The superuser's URL."""
        self.authority = authority
        """What clients have to trust, with TLS: `tlsCAFile=str(authority.certificate)`."""

    def url_of(self, name: str, password: str) -> str:
        """A user's URL."""
        login = f"{quote(name, safe='')}:{quote(password, safe='')}@"
        tls = "" if self.authority is None else "&tls=true"
        return f"mongodb://{login}{self.host}:{self.port}/?authSource=admin&directConnection=true{tls}"


class MongoFactory:
    """Starts MongoDB servers: the fixture `start_mongodb`.

        server = start_mongodb(users=(MongoUser("reader", "p@ss:w/ord", ({"role": "read", "db": "shop"},)),))
        open_to_all = start_mongodb(auth=False)
        secure = start_mongodb(tls=True)      # secure.url asks for TLS, secure.authority.certificate
        mutual = start_mongodb(tls=True, tls_ask_clients=True)      # mutual.authority.issue(name="client")

    Each test's servers are killed at its end.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._servers: list[MongoServer] = []

    def __call__(
        self,
        *,
        auth: bool = True,
        durable: bool = False,
        users: Sequence[MongoUser] = (),
        tls: bool = False,
        tls_ask_clients: bool = False,
        tls_expired: bool = False,
        tls_hosts: tuple[str, ...] = ("localhost", LOOPBACK),
    ) -> MongoServer:
        """Starts one and waits until it answers.

        Args:
            auth: whether clients have to log in.
            durable: whether it keeps what it has acknowledged when it ends.
            users: what it shall have beside the superuser.
            tls: lets clients connect by TLS only, with a certificate for `tls_hosts`, perhaps an expired one, and
                perhaps by showing a certificate of their own.
        """
        name = f"mongodb-{len(self._servers) + 1}"
        authority = security = None
        if tls:
            folder = self._state.path / f"tls-{name}"
            folder.mkdir()
            authority = Authority(folder)
            security = _security(authority, ask_clients=tls_ask_clients, expired=tls_expired, hosts=tls_hosts)
        engine = Secantus(self._state, name=name, durable=durable, auth=auth, tls=security)
        server = MongoServer(engine, self._state, authority)
        self._servers.append(server)
        server.start()
        if users:
            with engine.client() as client:
                for user in users:
                    client.admin.command(
                        "createUser", user.name, pwd=user.password, roles=[_role(each) for each in user.roles]
                    )
        return server

    def close(self) -> None:
        """Ends all servers."""
        for server in self._servers:
            server.kill()


def _role(role: str | Mapping[str, str]) -> str | dict[str, str]:
    return role if isinstance(role, str) else dict(role)


def _security(authority: Authority, *, ask_clients: bool, expired: bool, hosts: tuple[str, ...]) -> ServerTls:
    certificate = authority.issue(hosts=hosts, expired=expired)
    probe: dict[str, object] = {"tlsAllowInvalidCertificates": True}
    if ask_clients:
        # PyMongo wants both in one file.
        own = authority.issue(name="probe")
        both = own.certificate.with_name("probe-both.pem")
        both.write_bytes(own.certificate.read_bytes() + own.key.read_bytes())
        probe["tlsCertificateKeyFile"] = str(both)
    return ServerTls(
        certificate=certificate.certificate,
        key=certificate.key,
        authority=authority.certificate if ask_clients else None,
        ask_clients=ask_clients,
        probe=probe,
    )
