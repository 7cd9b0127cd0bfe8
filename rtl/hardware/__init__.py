"""The generator: SystemVerilog sources for one array, its testbench and synthesis recipe."""
