"""What each stage of an aggregation needs of the caller, as a table. `policy` enforces it.

The stages of MongoDB up to 8.3: https://www.mongodb.com/docs/manual/reference/mql/aggregation-stages/. A stage that is
not here is new, internal, or of another product: only an administrator may run it.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.options.v1.access_pb2 import ROLE_ADMINISTRATOR, ROLE_DEVELOPER, ROLE_READ_ONLY, Role


@dataclass(frozen=True, slots=True)
class Rule:
    """What a stage needs."""

    role: Role.ValueType
    """The least role."""
    why: str = ""
    """Why not everybody may run it: goes on after the stage's name."""
    writes: bool = False
    """It writes its input to a collection: last stage only, and not on connections that are read-only."""
    pipelines: tuple[str, ...] = ()
    """Where pipelines lie in it: `pipeline` is an array, `input.pipelines.*` every field of that document."""
    sources: tuple[str, ...] = ()
    """Where it names collections that it reads: by a name or by `db` and `coll`. Empty text: the stage itself."""


READS = Rule(ROLE_READ_ONLY)
LISTS_USERS = Rule(ROLE_ADMINISTRATOR, "shows who uses the server")
SHOWS_QUERIES = Rule(ROLE_ADMINISTRATOR, "shows what others ask the server")
SHOWS_CLUSTER = Rule(ROLE_ADMINISTRATOR, "shows how the cluster is built")
WRITES = Rule(ROLE_DEVELOPER, "writes to a collection", writes=True)
UNKNOWN = Rule(ROLE_ADMINISTRATOR, "is not known here, so it may do anything")
"""Of a stage that has no row."""

STAGES = {
    "$addFields": READS,
    "$bucket": READS,
    "$bucketAuto": READS,
    "$changeStreamSplitLargeEvent": READS,
    "$collStats": READS,
    "$count": READS,
    "$currentOp": SHOWS_QUERIES,
    "$densify": READS,
    "$documents": READS,
    "$facet": Rule(ROLE_READ_ONLY, pipelines=("*",)),
    "$fill": READS,
    "$geoNear": READS,
    "$graphLookup": Rule(ROLE_READ_ONLY, sources=("from",)),
    "$group": READS,
    "$indexStats": READS,
    "$limit": READS,
    "$listClusterCatalog": SHOWS_CLUSTER,
    "$listLocalSessions": LISTS_USERS,
    "$listSampledQueries": SHOWS_QUERIES,
    "$listSearchIndexes": READS,
    "$listSessions": LISTS_USERS,
    "$lookup": Rule(ROLE_READ_ONLY, pipelines=("pipeline",), sources=("from",)),
    "$match": READS,
    "$merge": WRITES,
    "$out": WRITES,
    "$planCacheStats": SHOWS_QUERIES,
    "$project": READS,
    "$querySettings": SHOWS_QUERIES,
    "$queryStats": SHOWS_QUERIES,
    "$rankFusion": Rule(ROLE_READ_ONLY, pipelines=("input.pipelines.*",)),
    "$redact": READS,
    "$replaceRoot": READS,
    "$replaceWith": READS,
    "$sample": READS,
    "$score": READS,
    "$scoreFusion": Rule(ROLE_READ_ONLY, pipelines=("input.pipelines.*",)),
    "$search": READS,
    "$searchMeta": READS,
    "$set": READS,
    "$setWindowFields": READS,
    "$shardedDataDistribution": SHOWS_CLUSTER,
    "$skip": READS,
    "$sort": READS,
    "$sortByCount": READS,
    "$unionWith": Rule(ROLE_READ_ONLY, pipelines=("pipeline",), sources=("",)),
    "$unset": READS,
    "$unwind": READS,
    "$vectorSearch": READS,
}

ENDLESS = frozenset({"$changeStream"})
"""They never end: the route of change streams puts them before a pipeline by itself, a user's pipeline has none."""

OF_UPDATES = frozenset({"$addFields", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"})
"""Stages of an update that is a pipeline, also `whenMatched` of `$merge`:
https://www.mongodb.com/docs/manual/tutorial/update-documents-with-aggregation-pipeline/"""

OF_CHANGE_STREAMS = frozenset(
    {
        "$addFields",
        "$changeStreamSplitLargeEvent",
        "$match",
        "$project",
        "$redact",
        "$replaceRoot",
        "$replaceWith",
        "$set",
        "$unset",
    }
)
"""https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output"""

RUNS_CODE = frozenset({b"$where", b"$function", b"$accumulator", b"$_internalJsEmit", b"$_internalJsReduce"})
"""Operators that run JavaScript on the server, which needs an administrator."""

SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
"""The server's own: users and their hashes, the cluster, the log of all writes. Reading them needs an administrator."""
READABLE_SYSTEM_COLLECTIONS = ("system.views", "system.buckets.")
"""Beginnings of names of system collections that hold nothing but what their database's readers may see. Others need an
administrator: `system.profile` has others' commands."""
