"""Results of a run on a cluster: replies read from parts, and a folder read as a comparison."""
