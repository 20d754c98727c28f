"""The life of a pod: bound, run, reported, ended."""
