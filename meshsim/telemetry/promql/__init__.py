"""Answers PromQL from a short history of our own metrics, so that metrics can decide with nothing installed.

The part of the language that templates use; what is not there is refused by name. Where versions of Prometheus differ
it follows 2.x (a range includes both its ends).
"""
