"""Forms: what a connection is asked for, what of it was found, and what its check said."""
