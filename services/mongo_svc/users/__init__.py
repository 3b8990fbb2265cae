"""Users and roles of a server."""
