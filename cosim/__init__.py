"""Co-simulation: runs the software model and the generated RTL side by side and compares them."""
