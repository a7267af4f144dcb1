"""Signing in without a key: what is exchanged for a token, by which service, and kept how long."""
