"""What is sent to workers of what a run is given: how connections are found, what never goes."""
