"""The horizontal pod autoscaler: sets the scale of what has one by what its pods use."""
