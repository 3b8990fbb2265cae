"""The server itself: how it does, what it does now, what was slow."""
