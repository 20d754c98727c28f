"""What clients ask, as they put it: paths, parameters, bodies."""
