"""The parts of bench/truth, one subject a module."""
