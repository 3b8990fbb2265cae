"""The contract keeps its rules: access, REST forms, bounds, secrets, comments, reasons."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.protobuf import descriptor_pb2

from services.runtime import statuses
from services.runtime.contract import DESCRIPTORS, load_contract
from studio.options.v1 import access_pb2
from studio.options.v1.errors_pb2 import ErrorReason
from tests.contract import rules

RULES = [
    rules.without_access,
    rules.without_effect,
    rules.changes_by_get,
    rules.unknown_databases,
    rules.repeated_actions,
    rules.wrong_rest_form,
    rules.colliding_routes,
    rules.bodies_where_none_may_be,
    rules.unknown_path_variables,
    rules.streams_without_last_word,
    rules.wide_integers,
    rules.unmarked_secrets,
    rules.without_comment,
    rules.unbounded_fields,
    rules.needless_exceptions,
    rules.unbounded_bodies,
    rules.unnamed_bodies,
]


@pytest.fixture(scope="session")
def files() -> descriptor_pb2.FileDescriptorSet:
    return descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_contract_keeps_the_rule(
    rule: Callable[[descriptor_pb2.FileDescriptorSet], list[str]], files: descriptor_pb2.FileDescriptorSet
) -> None:
    assert rule(files) == []


def test_every_rpc_is_in_the_table_with_its_comment(files: descriptor_pb2.FileDescriptorSet) -> None:
    table = load_contract().methods
    assert {method.path for method in table.values()} == {
        "/" + name[: name.rindex(".")] + "/" + method.name for name, method in rules.methods(files)
    }
    assert all(method.comment for method in table.values())
    assert all(method.is_internal == (method.role == access_pb2.ROLE_INTERNAL) for method in table.values())


def test_the_table_says_what_the_contract_says() -> None:
    create = load_contract().methods["/studio.registry.v1.RegistryService/CreateDatabase"]
    assert (create.role, create.action) == (access_pb2.ROLE_ADMINISTRATOR, "registry.database.create")
    assert create.success_status == 201
    assert [(rule.verb, rule.template, rule.body) for rule in create.http] == [
        ("POST", "/api/platform/databases", "*")
    ]
    assert (create.area, create.request) == ("registry", "studio.registry.v1.CreateDatabaseRequest")
    watch = load_contract().methods["/studio.registry.v1.ResolverService/WatchConnections"]
    assert (watch.server_streaming, watch.http, watch.success_status) == (True, (), 200)
    assert {method.name for method in load_contract().of_area("redis")} >= {"ListKeys", "GetValue"}


def test_every_reason_has_a_status() -> None:
    assert set(ErrorReason.values()) - {0} == set(statuses.TABLE)


def test_no_users_mistake_is_a_server_error() -> None:
    """What trying again does not mend maps to 4xx at the gateway; the two defects are the exception."""
    server_errors = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
    wrong = {reason for reason, (code, _) in statuses.TABLE.items() if code in server_errors}
    assert wrong == {ErrorReason.ERROR_REASON_INTERNAL}


def test_what_passes_says_when_to_try_again_and_nothing_else_does() -> None:
    for reason, (code, wait_s) in statuses.TABLE.items():
        assert (wait_s is not None) == (code in statuses.PASSING), ErrorReason.Name(reason)


def test_success_statuses_are_those_the_gateway_knows() -> None:
    assert {method.success_status for method in load_contract().methods.values()} <= {200, 201, 204}
