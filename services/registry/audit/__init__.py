"""The audit log: records what services did, exactly once and chained, shows it, lets it go by its age, verifies it."""
