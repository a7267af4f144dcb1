"""Where there are keys in clear, how they are removed, and whether a store is healthy."""
