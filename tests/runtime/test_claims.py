"""What a user's token says of its holder: role, projects, and what GoTrue's users are."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.runtime.auth.claims import caller_of
from services.runtime.auth.refusals import WrongCredentialError
from studio.options.v1 import access_pb2 as access

NOBODY = access.ROLE_UNSPECIFIED


def claims(**more: Any) -> dict[str, Any]:  # noqa: ANN401  whatever JSON holds
    return {"sub": "ann", "exp": 4e9, **more}


@pytest.mark.parametrize(
    ("more", "role"),
    [
        ({"role": "authenticated", "app_metadata": {"studio_role": "developer"}}, access.ROLE_DEVELOPER),
        ({"role": "authenticated", "app_metadata": {"studio_role": "owner"}}, access.ROLE_OWNER),
        ({"role": "authenticated"}, NOBODY),
        ({"role": "authenticated", "app_metadata": {"studio_role": "service_role"}}, NOBODY),
        ({"role": "authenticated", "app_metadata": {"studio_role": ["owner"]}}, NOBODY),
        ({"role": "authenticated", "app_metadata": "owner"}, NOBODY),
        # What users write themselves.
        ({"role": "authenticated", "user_metadata": {"studio_role": "owner"}}, NOBODY),
        ({"role": "authenticated", "studio_role": "owner"}, NOBODY),
        # Only signed-in users have it.
        ({"role": "anon", "app_metadata": {"studio_role": "owner"}}, NOBODY),
        ({"role": "read_only", "app_metadata": {"studio_role": "owner"}}, access.ROLE_READ_ONLY),
    ],
)
def test_the_role(more: dict[str, Any], role: access.Role.ValueType) -> None:
    caller = caller_of(claims(**more))
    assert (caller.role, caller.is_anonymous) == (role, more["role"] == "anon")


@pytest.mark.parametrize(
    ("more", "projects"),
    [
        ({}, None),
        ({"projects": []}, frozenset()),
        ({"projects": ["a", "b", "a"]}, frozenset({"a", "b"})),
        ({"app_metadata": {"studio_projects": ["a"]}}, frozenset({"a"})),
        ({"projects": ["b"], "app_metadata": {"studio_projects": ["a"]}}, frozenset({"b"})),
        ({"user_metadata": {"studio_projects": ["a"]}}, None),
    ],
)
def test_the_projects(more: dict[str, Any], projects: frozenset[str] | None) -> None:
    assert caller_of(claims(role="owner", **more)).projects == projects


@pytest.mark.parametrize(
    "listed", ["a", {"a": 1}, [1], [None], ["a", ["b"]], 5, True, "", None, ["a\0"], ["\ud800"]]
)
def test_projects_that_are_no_list_of_names_are_no_token(listed: object) -> None:
    for more in ({"projects": listed}, {"app_metadata": {"studio_projects": listed}}):
        with pytest.raises(WrongCredentialError, match="no list of names"):
            caller_of(claims(role="owner", **more))


def test_nobody_takes_the_name_of_an_api_key() -> None:
    with pytest.raises(WrongCredentialError, match="subject"):
        caller_of(claims(role="owner", sub="key:ckdeuacf0p29wxdf"))


@pytest.mark.parametrize("subject", ["a\0b", "\udc00"])
def test_a_subject_that_cannot_be_recorded_is_none(subject: str) -> None:
    with pytest.raises(WrongCredentialError, match="subject"):
        caller_of(claims(role="owner", sub=subject))


def test_a_token_for_one_session_has_an_id_by_which_it_ends() -> None:
    assert caller_of(claims(studio_once=True, jti="link-1", exp=time.time() + 600)).credential_id == "link-1"
    assert caller_of(claims(jti="link-1")).credential_id == ""


@pytest.mark.parametrize(
    "more",
    [
        {"studio_once": True},
        {"studio_once": True, "jti": ""},
        {"studio_once": True, "jti": 7},
        {"studio_once": True, "jti": "x" * 65},
        {"studio_once": "yes", "jti": "link-1", "exp": time.time() + 3600},
    ],
)
def test_a_token_for_one_session_without_an_id_or_without_an_end_is_none(more: dict[str, Any]) -> None:
    with pytest.raises(WrongCredentialError, match="for one session"):
        caller_of(claims(**more))
