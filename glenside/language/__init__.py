"""The language: its constructs, their text, their meaning, and layouts."""
