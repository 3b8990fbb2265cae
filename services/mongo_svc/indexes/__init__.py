"""Indexes: listed with their size and use, built with progress, hidden, dropped."""
