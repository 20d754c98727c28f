"""Which of several controllers acts: the holder of a Lease, as client-go elects it."""
