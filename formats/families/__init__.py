"""The formats that ship, one family a file."""
