"""An 8-bit minifloat for Systolab, with a hardware decoder and encoder of its own."""
