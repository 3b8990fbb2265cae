"""Every bound of users and roles, in one place."""

from __future__ import annotations

DEFAULT_PAGE = 100
"""Users or roles of a page when the call doesn't say."""
MAX_LISTED = 10_000
"""Users or roles of a database that a listing looks at: the server gives them all at once."""
EXTERNAL = "$external"
"""The database of users that others vouch for: X.509, LDAP, Kerberos."""
