"""Quayframe: a container registry that is a framework."""

__version__ = "0.1.0"
