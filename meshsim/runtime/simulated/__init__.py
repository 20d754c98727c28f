"""Containers that answer as their pod's annotations say."""
