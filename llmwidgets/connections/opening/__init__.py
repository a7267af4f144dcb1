"""Opening: what opens a store, where that is remembered, for how long, and how it is changed."""
