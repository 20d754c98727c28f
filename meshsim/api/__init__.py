"""Kubernetes objects: their kinds, their types, reading them from YAML and JSON, their validation. Pure."""
