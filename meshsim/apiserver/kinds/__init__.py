"""The kinds that are served: their schemas, versions, names and definitions."""
