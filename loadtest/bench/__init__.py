"""Benchmarks: programs that start what they measure, and print it."""
