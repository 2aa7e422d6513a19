"""Objects linked through time."""
