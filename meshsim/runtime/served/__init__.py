"""What the node serves: figures, logs, and commands in its containers."""
