"""ENABLE_*_MANAGEMENT: what is switched off is listed, and nothing else."""

from __future__ import annotations

import grpc
import pytest

from gateway import engines
from services.registry.flags import VARIABLES
from tests.registry.harness import Registry, ScriptedEngine, failing, running_registry, settings

Code = grpc.StatusCode
URLS = {"redis": "redis://h", "mongodb": "mongodb://h", "bun_api": "https://h"}


def test_the_flags_are_the_gateways() -> None:
    theirs = {(area.title, area.flag_variable) for area in engines.AREAS if area.flag_variable}
    assert theirs == set(VARIABLES.values())


@pytest.mark.parametrize("type_", URLS)
async def test_an_engine_that_is_off_is_not_created_tested_or_changed(
    migrated_url: str, redis_engine: ScriptedEngine, type_: str
) -> None:
    addresses = dict.fromkeys(
        ("redis_svc_address", "mongo_svc_address", "bun_proxy_address"), redis_engine.address
    )
    fields = {"type": type_, "connection_string": URLS[type_]}
    async with running_registry(settings(migrated_url, **addresses)) as registry:
        created = await registry.create(**fields)
    _, variable = VARIABLES[type_]
    off = settings(migrated_url, **addresses, **{variable.lower(): False})
    async with running_registry(off) as registry:
        assert [each.id for each in (await registry.list()).databases] == [created.id]
        assert (await registry.get(created.id)).name == created.name

        async def refused(call: str) -> None:
            async with failing("ENGINE_DISABLED", Code.NOT_FOUND) as failure:
                await calls[call]
            assert failure.message.endswith(f"management is switched off: {variable} is false.")

        calls = {
            "create": registry.create(name="second", **fields),
            "test": registry.test(**fields),
            "test saved": registry.test_saved(created.id),
            "update": registry.update(created.id, description="x"),
        }
        for call in calls:
            await refused(call)
        assert redis_engine.asked == []
        await _others_go_on(registry, type_)
        await registry.delete(created.id)


async def _others_go_on(registry: Registry, off: str) -> None:
    for type_ in URLS.keys() - {off}:
        name = type_.replace("_", "-")
        await registry.create(name=name, type=type_, connection_string=URLS[type_], skip_test=False)
