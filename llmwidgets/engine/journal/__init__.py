"""The journal: every extraction on disk before it is shown."""
