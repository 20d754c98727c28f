"""A small open-loop load generator."""
