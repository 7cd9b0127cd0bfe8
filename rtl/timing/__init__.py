"""What a kernel costs: its cycles and its traffic, exactly as the hardware takes them."""
