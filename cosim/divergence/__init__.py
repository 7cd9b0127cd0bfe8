"""Where two sides part: the first difference, located and made small."""
