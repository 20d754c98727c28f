"""Experiments: versions that run side by side for a while, watched by analyses."""
