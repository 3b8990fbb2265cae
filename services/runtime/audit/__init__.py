"""The record of who did what, as a service keeps it until the registry has it.

`interceptors.audit` asks `log` around every call. An event is built by `events` with what `targets` reads from the
request, lies in the `spool` on disk, and is taken to the registry by the `shipper`, exactly once.
"""
