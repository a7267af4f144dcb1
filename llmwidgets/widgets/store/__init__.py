"""Store: the screens on which a store is made, unlocked, rescued and kept."""
