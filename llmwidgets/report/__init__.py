"""What leaves a comparison: static HTML and text for a notebook, and files the user names."""
