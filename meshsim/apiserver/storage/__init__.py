"""What is stored: objects in memory, a journal on disk, and the events that readers follow."""
