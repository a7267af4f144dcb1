"""The check of a connection: what is wrong with it, why, and what would fix it."""
