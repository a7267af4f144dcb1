"""The engine: one thread, one event loop, one way to the network, one journal."""
