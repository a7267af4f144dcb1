"""Policies: the rules in an administrator's files, where they lie and in which order they count."""
