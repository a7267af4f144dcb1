"""What a run is made of: the work of each of its variants, its progress, its commits."""
