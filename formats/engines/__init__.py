"""The engines behind `systolab.formats.dot`: one module each, slowest and most literal last."""
