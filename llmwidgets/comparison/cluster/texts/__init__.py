"""Texts of a run on a cluster: files that are named, and documents whose words stay in them."""
