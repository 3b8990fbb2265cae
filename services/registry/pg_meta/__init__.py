"""PostgreSQL through pg-meta: who may send it what, and to which database.

The gateway leads requests to pg-meta by itself and asks here first (`access`). pg-meta has no authentication and no
rules of its own: what passes here, it does, with the connection string that it is given in one encrypted header.
"""
