"""What every layer may use: time, chance, owned tasks, plain errors. Knows nothing of Kubernetes."""
