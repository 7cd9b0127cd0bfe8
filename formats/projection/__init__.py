"""Value to code: codebooks, rounding, saturation, and the encoders that apply them."""
