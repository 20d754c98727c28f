"""The demo's live view: what is seen of a release and its traffic, and how it is drawn."""
