"""What happens on a server now: MONITOR, messages and keyspace events as bounded streams."""
