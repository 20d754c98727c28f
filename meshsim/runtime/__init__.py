"""The node: runs pods, probes them, publishes their endpoints, reports their CPU."""
