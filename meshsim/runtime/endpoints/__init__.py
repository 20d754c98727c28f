"""Which pods a Service leads to."""
