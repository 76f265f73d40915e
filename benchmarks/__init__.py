"""Speed of attncompare, measured. One command: ``python -m benchmarks``."""
