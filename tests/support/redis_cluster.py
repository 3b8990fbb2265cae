"""A Redis Cluster of the embedded Valkey: nodes joined by CLUSTER MEET, slots given by CLUSTER ADDSLOTSRANGE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import redis

from deploy.local.options import LOOPBACK
from deploy.local.ports import pick
from tests.support.redis_process import RedisProcess, running, wait_until
from tests.support.tls import Certificate

SLOTS = 16384
# Short, so that a failover is over in a moment; far more than a busy machine keeps a process waiting, though.
NODE_TIMEOUT_MS = 2000


class ClusterNode(RedisProcess):
    """One node."""

    id: str
    """As CLUSTER MYID tells."""

    def cluster(self, *words: str | int) -> object:
        """A CLUSTER command."""
        with self.client(decode_responses=True) as client:
            # Raw: redis-py's own callbacks for CLUSTER commands make other things of the replies.
            connection = client.connection_pool.get_connection()
            try:
                connection.send_command("CLUSTER", *words)
                return connection.read_response()
            finally:
                client.connection_pool.release(connection)

    def info(self) -> dict[str, str]:
        """CLUSTER INFO."""
        text = str(self.cluster("INFO"))
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


class RedisCluster:
    """Masters that share the slots evenly, and replicas."""

    def __init__(
        self,
        folder: Path,
        *,
        masters: int = 3,
        replicas: int = 0,
        spare: int = 0,
        settings: Mapping[str, str],
        program: str | None = None,
        tls: tuple[Certificate, Path] | None = None,
    ) -> None:
        def node(name: str) -> ClusterNode:
            return ClusterNode(
                folder / name,
                {
                    "cluster-enabled": "yes",
                    "cluster-config-file": "nodes.conf",
                    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
                    "cluster-port": str(pick()),
                    # A master that gives its last slot away stays one.
                    "cluster-allow-replica-migration": "no",
                    "cluster-require-full-coverage": "no",
                    "repl-diskless-sync-delay": "0",
                    "appendonly": "no",
                    **({"tls-cluster": "yes"} if tls is not None else {}),
                    **settings,
                },
                program=program,
                tls=tls,
            )

        self.masters = [node(f"master-{number}") for number in range(masters)]
        """Those that serve slots at the beginning."""
        self.replicas = [node(f"replica-{number}") for number in range(replicas)]
        """The first one is that of the first master, and so on, round and round."""
        self.spare = [node(f"spare-{number}") for number in range(spare)]
        """Masters without slots, to move some to."""

    @property
    def nodes(self) -> list[ClusterNode]:
        """All of them."""
        return [*self.masters, *self.replicas, *self.spare]

    @property
    def url(self) -> str:
        """With every master as a seed."""
        return "redis+cluster://" + ",".join(node.address for node in self.masters)

    def form(self) -> None:
        """Makes one Cluster of the running nodes."""
        for node in self.nodes:
            node.id = str(node.cluster("MYID"))
        first = self.masters[0]
        for number, node in enumerate(self.nodes):
            node.cluster("SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                bus = self._bus_port(first)
                node.cluster("MEET", LOOPBACK, first.tls_port or first.port, bus)
        size = SLOTS // len(self.masters)
        for number, node in enumerate(self.masters):
            last = SLOTS - 1 if number == len(self.masters) - 1 else (number + 1) * size - 1
            node.cluster("ADDSLOTSRANGE", number * size, last)
        wait_until(self._all_know_all, "every node knows every node")
        for number, node in enumerate(self.replicas):
            node.cluster("REPLICATE", self.masters[number % len(self.masters)].id)
        wait_until(self._settled, "the Cluster is up")

    def owner(self, key: bytes) -> ClusterNode:
        """The node that serves a key's slot."""
        slot = self.slot(key)
        return next(node for node in self.nodes if self._serves(node, slot))

    def slot(self, key: bytes) -> int:
        """A key's slot, as the server computes it."""
        with self.masters[0].client() as client:
            number = client.execute_command("CLUSTER KEYSLOT", key)
        assert isinstance(number, int)
        return number

    def keys(self) -> list[bytes]:
        """Every key of every master, with what they say themselves."""
        found: list[bytes] = []
        for node in self.masters + self.spare:
            with node.client() as client:
                found += client.scan_iter(count=1000)
        return found

    def put(self, key: bytes, value: bytes) -> None:
        """Sets a key at its node."""
        with self.owner(key).client() as client:
            client.set(key, value)

    def fill(self, count: int, prefix: str = "key") -> set[bytes]:
        """Sets keys at their nodes, in one go a node; returns them."""
        names = [f"{prefix}:{number}".encode() for number in range(count)]
        for node in self.masters:
            ranges = self.ranges(node)
            with node.client() as client, client.pipeline(transaction=False) as pipe:
                for name in names:
                    slot = redis.crc.key_slot(name)
                    if any(first <= slot <= last for first, last in ranges):
                        pipe.set(name, b"v")
                pipe.execute()
        return set(names)

    def ranges(self, node: ClusterNode) -> list[tuple[int, int]]:
        """The slots that a node says it serves."""
        (line,) = (each for each in str(node.cluster("NODES")).splitlines() if "myself" in each)
        parts = [part for part in line.split()[8:] if not part.startswith("[")]
        return [(int(part.split("-")[0]), int(part.split("-")[-1])) for part in parts]

    def open_slot(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Begins to move a slot: from now on its missing keys are answered with ASK."""
        target.cluster("SETSLOT", slot, "IMPORTING", source.id)
        source.cluster("SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot: int, source: ClusterNode, target: ClusterNode, *, most: int = 1000) -> int:
        """Moves some keys of an open slot; returns how many."""
        with source.client() as client:
            keys = client.execute_command("CLUSTER GETKEYSINSLOT", slot, most)
            assert isinstance(keys, list)
            if keys:
                client.execute_command("MIGRATE", LOOPBACK, target.port, "", 0, 5000, "KEYS", *keys)
        return len(keys)

    def close_slot(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Ends moving a slot: it is the target's, as every node knows when this returns.

        Two moves of a slot in short order would get the same epoch otherwise, and the nodes decide which one holds.
        """
        target.cluster("SETSLOT", slot, "NODE", target.id)
        source.cluster("SETSLOT", slot, "NODE", target.id)
        wait_until(lambda: self._agreed(slot, target), "every node knows who serves the slot")

    def move(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Moves a slot with all its keys."""
        self.open_slot(slot, source, target)
        while self.move_keys(slot, source, target):
            pass
        self.close_slot(slot, source, target)

    def announce(self, addresses: Mapping[str, str]) -> None:
        """Makes each node announce something to clients; returns when every node knows it of every other one.

        Args:
            addresses: what to announce (a setting's value) by the node's address.
        """
        for node in self.nodes:
            with node.client() as client:
                client.config_set("cluster-announce-client-ipv4", addresses[node.address])
        expected = sorted(addresses.values())

        def told(node: ClusterNode) -> list[str]:
            entries = node.cluster("SLOTS")
            assert isinstance(entries, list)
            return sorted(str(entry[2][0]) for entry in entries)

        wait_until(
            lambda: all(told(node) == expected for node in self.masters), "all announcements are known"
        )

    def fail_over(self, replica: ClusterNode) -> None:
        """Lets a replica take over from its master, in agreement: https://valkey.io/commands/cluster-failover/."""
        replica.cluster("FAILOVER")
        wait_until(lambda: self.ranges(replica), "the replica has taken over")

    def lose(self, master: ClusterNode, replica: ClusterNode) -> None:
        """Kills a master, after all that it has acknowledged has reached its replica: nothing could save the rest.

        Returns when the replica has taken over.
        """
        with master.client() as client, replica.client() as other:
            client.execute_command("CLIENT PAUSE", 60_000, "WRITE")

            def caught_up() -> bool:
                sent = client.info("replication")["master_repl_offset"]
                return bool(sent == other.info("replication")["slave_repl_offset"])

            wait_until(caught_up, "the replica has it all")
            master.kill()
        wait_until(lambda: self.ranges(replica), "the replica has taken over")

    def _agreed(self, slot: int, owner: ClusterNode) -> bool:
        epochs = {node.info()["cluster_current_epoch"] for node in self.nodes}
        return len(epochs) == 1 and all(self._owner_for(node, slot) == owner.id for node in self.nodes)

    def _owner_for(self, node: ClusterNode, slot: int) -> str:
        """The id of the node that serves a slot, as one node sees it."""
        entries = node.cluster("SLOTS")
        assert isinstance(entries, list)
        return next((str(entry[2][2]) for entry in entries if entry[0] <= slot <= entry[1]), "")

    def _serves(self, node: ClusterNode, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.ranges(node))

    def _bus_port(self, node: ClusterNode) -> int:
        with node.client(decode_responses=True) as client:
            answer = client.execute_command("CONFIG GET", "cluster-port")
        return int(answer["cluster-port"] if isinstance(answer, dict) else answer[1])

    def _all_know_all(self) -> bool:
        return all(int(node.info()["cluster_known_nodes"]) == len(self.nodes) for node in self.nodes)

    def _settled(self) -> bool:
        synced = all(self._is_synced(node) for node in self.replicas)
        return synced and all(
            node.info()["cluster_state"] == "ok" and node.info()["cluster_slots_ok"] == str(SLOTS)
            for node in self.nodes
        )

    def _is_synced(self, replica: ClusterNode) -> bool:
        with replica.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")


@contextmanager
def redis_cluster(
    folder: Path,
    *,
    masters: int = 3,
    replicas: int = 0,
    spare: int = 0,
    settings: Mapping[str, str] | None = None,
    program: str | None = None,
    tls: tuple[Certificate, Path] | None = None,
) -> Iterator[RedisCluster]:
    """A Cluster for the time of a `with`.

    Args:
        folder: where its files go; need not exist.
        masters: nodes that share the slots.
        replicas: nodes that replicate them, round and round.
        spare: masters without slots.
        settings: further lines of each node's configuration.
        program: the embedded Valkey where none is given.
        tls: as for `RedisProcess`; the nodes speak it among themselves, too.
    """
    cluster = RedisCluster(
        folder,
        masters=masters,
        replicas=replicas,
        spare=spare,
        settings=settings or {},
        program=program,
        tls=tls,
    )
    with running(*cluster.nodes):
        cluster.form()
        yield cluster
