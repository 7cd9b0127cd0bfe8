"""Where accuracy goes: the error of every layer, and what repairs it."""
