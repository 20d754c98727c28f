"""A Kubernetes API over a store in memory, with a journal on disk: the place where the planes meet."""
