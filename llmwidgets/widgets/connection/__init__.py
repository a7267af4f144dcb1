"""The screens on which a connection is filled in, found, tested and saved."""
