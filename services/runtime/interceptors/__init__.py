"""What happens to every call before its handler, in one order.

`CHAIN` in `chain` names the steps: recover, request id, observe, authenticate, authorize, validate, handle.
"""
