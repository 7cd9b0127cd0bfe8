"""What sums are made in: accumulators, and Berkeley SoftFloat's binary32."""
