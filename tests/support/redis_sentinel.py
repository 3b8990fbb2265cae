"""A master, its replicas, and the Sentinels that watch them, of the embedded Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.options import LOOPBACK
from tests.support.redis_process import RedisProcess, running, wait_until

NAME = "main"
DOWN_AFTER_MS = 1000
QUORUM = 2


class SentinelSet:
    """The servers."""

    def __init__(
        self, folder: Path, *, replicas: int, sentinels: int, password: str, sentinel_password: str
    ) -> None:
        self.password = password
        self.sentinel_password = sentinel_password
        secret = {"requirepass": password, "masterauth": password} if password else {}
        settings = {"repl-diskless-sync-delay": "0", "appendonly": "no", **secret}
        self.first = RedisProcess(folder / "first", settings)
        """The master at the beginning."""
        of_master = {"replicaof": f"{LOOPBACK} {self.first.port}"}
        self.replicas = [
            RedisProcess(folder / f"replica-{number}", settings | of_master) for number in range(replicas)
        ]
        """Its replicas at the beginning."""
        self._folder = folder
        self.sentinels = [self._sentinel(number) for number in range(sentinels)]
        """They watch it under the name `NAME`."""

    def _sentinel(self, number: int) -> RedisProcess:
        login = {"requirepass": self.sentinel_password} if self.sentinel_password else {}
        lines = [
            f"sentinel monitor {NAME} {LOOPBACK} {self.first.port} {QUORUM}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 10000",
        ]
        if self.password:
            lines.append(f"sentinel auth-pass {NAME} {self.password}")
        return RedisProcess(
            self._folder / f"sentinel-{number}", login, arguments=("--sentinel",), lines=tuple(lines)
        )

    @property
    def servers(self) -> list[RedisProcess]:
        """The master and its replicas."""
        return [self.first, *self.replicas]

    @property
    def url(self) -> str:
        """With every Sentinel."""
        login = f":{self.password}@" if self.password else ""
        option = f"?sentinel_password={self.sentinel_password}" if self.sentinel_password else ""
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{login}{hosts}/{NAME}/0{option}"

    def master(self) -> RedisProcess:
        """Who the first Sentinel says is the master."""
        with self.sentinels[0].client(password=self.sentinel_password or None) as client:
            answer = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", NAME)
        assert isinstance(answer, (list, tuple))
        port = int(answer[1])
        return next(server for server in self.servers if server.port == port)

    def settle(self) -> None:
        """Waits until the replicas are in sync and every Sentinel knows them and the other Sentinels."""
        wait_until(
            lambda: all(self._knows_all(sentinel) for sentinel in self.sentinels), "the Sentinels know all"
        )
        wait_until(self._in_sync, "the replicas are in sync")

    def lose_master(self) -> None:
        """Kills the master, after all that it has acknowledged has reached a replica: no server could save the rest."""
        master = self.master()
        with master.client(password=self.password or None) as client:
            client.execute_command("CLIENT PAUSE", 60_000, "WRITE")
            wait_until(lambda: self._caught_up(client), "the replicas have it all")
            master.kill()

    def _caught_up(self, client: object) -> bool:
        info = client.info("replication")  # type: ignore[attr-defined]  # a client of redis-py
        offsets = [
            value["offset"]
            for name, value in info.items()
            if name.startswith("slave") and isinstance(value, dict)
        ]
        return bool(offsets) and all(offset == info["master_repl_offset"] for offset in offsets)

    def _knows_all(self, sentinel: RedisProcess) -> bool:
        with sentinel.client(password=self.sentinel_password or None, decode_responses=True) as client:
            answer = client.execute_command("SENTINEL MASTERS")
        facts = (
            next(iter(answer.values()))
            if isinstance(answer, dict)
            else dict(zip(answer[0][::2], answer[0][1::2], strict=True))
        )
        return (
            int(facts["num-slaves"]) == len(self.replicas)
            and int(facts["num-other-sentinels"]) == len(self.sentinels) - 1
        )

    def _in_sync(self) -> bool:
        for replica in self.replicas:
            with replica.client(password=self.password or None) as client:
                if client.info("replication").get("master_link_status") != "up":
                    return False
        return True


@contextmanager
def redis_sentinel(
    folder: Path, *, replicas: int = 2, sentinels: int = 3, password: str = "", sentinel_password: str = ""
) -> Iterator[SentinelSet]:
    """Such servers for the time of a `with`.

    Args:
        folder: where their files go; need not exist.
        replicas: of the master.
        sentinels: that watch it.
        password: of the servers; empty for none.
        sentinel_password: of the Sentinels; empty for none.
    """
    servers = SentinelSet(
        folder,
        replicas=replicas,
        sentinels=sentinels,
        password=password,
        sentinel_password=sentinel_password,
    )
    with running(*servers.servers, *servers.sentinels):
        servers.settle()
        yield servers
