"""One network on both sides: planned, calibrated, run, reported."""
