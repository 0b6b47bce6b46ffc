"""Everything the registry can do: one module per noun. HTTP, worker and command line only translate."""
