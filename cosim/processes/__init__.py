"""Programs that we start, and that end when we do."""
