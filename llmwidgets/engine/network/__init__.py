"""The way to the network: one gate, one socket, tokens, waiting and trying again."""
