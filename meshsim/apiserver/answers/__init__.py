"""What clients are answered: objects, tables and streams of events."""
