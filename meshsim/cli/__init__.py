"""The command line: one module a group of verbs. It starts processes, it imports no plane."""
