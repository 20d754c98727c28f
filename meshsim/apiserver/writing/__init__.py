"""What a write means: who may set what, what is filled in, what is refused, what follows from it."""
