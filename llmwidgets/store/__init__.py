"""The store: an organization's connections, sealed in one file that every panel and run shares."""
