"""A Kubernetes-compatible API over an embedded store."""
