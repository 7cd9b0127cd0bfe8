"""What a person sees: columns and progress."""
