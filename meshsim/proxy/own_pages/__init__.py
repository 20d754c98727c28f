"""What the proxy says of itself: admin pages, metrics, queries."""
