"""Every bound of the Redis engine with its default, in one place. What an operator may change is in `settings`."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one registered database may take of this service, and this service of it."""

    connect_timeout_s: float = 10.0
    """Seconds to resolve, connect, shake hands and log in, every address and try together."""
    tls_timeout_s: float = 3.0
    """Seconds of the TLS handshake: a server in clear waits for the rest of a line that never comes."""
    command_timeout_s: float = 5.0
    """Seconds from writing a request to its last reply."""
    tries: int = 3
    """Most times that anything is tried, the first included."""
    backoff_s: float = 0.05
    """Wait before the second try; doubles with each further one, and is spread at random."""
    backoff_cap_s: float = 2.0
    """Longest wait between tries, and longest time for which a failed connect is answered without a new one."""
    ask_timeout_s: float = 1.0
    """Seconds that a Sentinel, or a node of a Cluster, has to say where the servers are, before the next is asked."""
    max_redirects: int = 8
    """Times that one command follows MOVED, ASK, TRYAGAIN and CLUSTERDOWN."""
    max_nodes: int = 1000
    """Nodes of a Cluster that are connected to: as many as Redis recommends at most."""
    refresh_interval_s: float = 0.25
    """Shortest time between two lookups of a Cluster's slots."""
    max_listings: int = 4
    """Listings of keys at a time on one database: each may have one step under way at the server."""
    max_waiting_listings: int = 16
    """Listings that may wait for those; one more is refused."""
    max_inflight_commands: int = 50_000
    """Commands of all callers that wait for a reply on one connection."""
    max_inflight_bytes: int = 64 * MIB
    """Bytes of those commands."""
    max_reply_bytes: int = 64 * MIB
    """Bytes of the replies to one request; a server that sends more loses the connection."""
    max_dedicated: int = 32
    """Connections beside the shared one that are open at a time: of edits where the user may not run scripts, of the
    console, of live streams, exports and copies, whose own bounds together leave room for the edits."""
    max_value_bytes: int = 16 * MIB
    """Bytes of a value that is set in one call."""
    default_range_bytes: int = 1 * MIB
    """Bytes of a value that one call returns when it doesn't say."""
    page_value_bytes: int = 4 * MIB
    """Bytes of values that a page of fields or items takes from the server; of what exceeds it only the length."""
    default_page_values: int = 100
    """Fields, items, members or entries of a page when the call doesn't say."""
    default_value_bytes: int = 4096
    """Bytes of each of them when the call doesn't say."""
    page_bytes: int = 4 * MIB
    """Bytes of members, entries or values after which a page of a collection ends, however few they are."""
    page_without_sizes: int = 100
    """Elements of a page where the server does not tell how large they are."""
    default_page_keys: int = 100
    """Keys of a page when the call doesn't say."""
    scan_step: int = 500
    """Most keys that one SCAN looks at, and most whose metadata one write asks for: about 1 ms of the server's
    time, and of the other callers' on the connection."""
    scan_budget_keys: int = 20_000
    """Keys that one call looks at, at least; see `scan_budget_factor`."""
    scan_budget_factor: int = 10
    """Keys that one call looks at for each key it was asked for, where that is more."""
    scan_budget_s: float = 0.2
    """Seconds after which a call stops scanning and answers with what it has."""
    memory_samples: int = 5
    """Elements that MEMORY USAGE samples: bounds its cost on big keys."""
    diagnosis_s: float = 4.5
    """Seconds of a connection test in the worst case; the contract promises 5."""


DEFAULTS = Limits()
