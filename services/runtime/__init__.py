"""What every service shares: server, settings, authentication, errors, logging, pools, resolving.

Knows no engine. A service imports from here and from the contract's generated modules, never from another
service.
"""
