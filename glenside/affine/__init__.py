"""Terms read as affine access patterns over one loop nest."""
