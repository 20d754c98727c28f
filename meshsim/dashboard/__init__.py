"""The dashboard: one page that shows releases as they happen, over a stream of what changes."""
