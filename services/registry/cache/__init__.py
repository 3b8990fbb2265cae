"""Lists of databases, cached in Redis for a minute; right and no slower than PostgreSQL when that Redis is gone.

Every page is kept under a *generation*, a token that each write replaces before it is acknowledged. A page is stored
under the generation that was read before its query: one that a write has overtaken lies under a token that nobody asks
for any more.
"""
