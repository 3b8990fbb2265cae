"""What happens to every call before its handler, in one order.

`server.steps` lists the steps: recover, request id, observe, admit, authenticate, limit, audit, authorize, validate,
confirm, handle.
"""
