"""What a person sees: reports, tables and progress."""
