"""Containers that are programs of this machine."""
