"""Benchmarks of this registry beside its peers."""
