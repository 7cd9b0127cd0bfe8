"""What systolab does, as functions with named parameters: commands and notebooks call these."""
