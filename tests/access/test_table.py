"""The table that people read is the contract's."""

from __future__ import annotations

from tools import permissions


def test_the_table_of_permissions_is_up_to_date() -> None:
    assert permissions.DOCUMENT.read_text() == permissions.document(), "run: python -m tools.permissions"


def test_every_route_that_users_may_call_is_in_it_once() -> None:
    routes = [rule.route for rule in permissions.rules()]
    assert len(routes) == len(set(routes))
    assert all(rule.least for rule in permissions.rules())
