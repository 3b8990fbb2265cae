"""The gateway: an Envoy configuration derived from the contract and the environment, and Envoy itself.

No line of this package is in the path of a request, except the response filter `lua/errors.lua`. What a
route does is decided in `protos/`; who may call it is decided again by every service.
"""
