"""Histories of metrics out of texts, as a scraper would see them."""

from meshsim.telemetry.promql.history import History


def take(history: History, exposition: str, at_ms: int) -> None:
    """Keep one scrape."""
    history.begin(at_ms)
    history.add_text(exposition)
