"""The whole system on one machine, with embedded engines: what `make run` and the tests start.

Leaves production to the other folders of `deploy/`: nothing here is imported by a service.
"""
