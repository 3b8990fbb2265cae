"""The registry: which databases there are, how to reach them, and whether they answer.

Stores connections encrypted in PostgreSQL's `platform` schema; shows them without their secrets; hands the engines'
services the ciphertext. What an engine's connection is like inside is that engine's service's business.
"""
