"""What the check's runs reach in the RTL: points, lines, toggles."""
