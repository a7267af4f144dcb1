"""Store: the screens on which a store is made, unlocked, mended and kept."""
