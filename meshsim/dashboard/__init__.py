"""What a person watches in a browser."""
