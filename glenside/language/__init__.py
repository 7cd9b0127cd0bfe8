"""The language: its constructs (``grammar``: all on one page), their text, values and layouts."""
