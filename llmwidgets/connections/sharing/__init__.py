"""Sharing: who else opens a store, and what of it is carried elsewhere or put back."""
