"""The Verilated model: built, driven, opened to Python."""
