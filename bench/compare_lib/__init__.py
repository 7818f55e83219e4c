"""The parts of bench/compare, one subject a module."""
