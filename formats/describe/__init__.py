"""What a format is like: its properties, its decomposition, peers to compare it with."""
