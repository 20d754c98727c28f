"""Analysis runs: measurements are taken, judged and summed up to a verdict."""
