"""A comparison on many machines: chunks of a variant's texts run on workers, read from parts."""
