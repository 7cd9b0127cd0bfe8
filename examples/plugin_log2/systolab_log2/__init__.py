"""Powers of two for Systolab, with processing elements of their own."""
