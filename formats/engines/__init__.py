"""The engines behind `formats.dot`: one module each, slowest and most literal last."""
