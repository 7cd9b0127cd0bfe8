"""What every signal of the core must show, block by block in the order of the data's way."""
