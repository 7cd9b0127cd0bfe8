"""Name to format: the table of families, plug-ins, validation, and other libraries' formats."""
