"""HTTP: translates to and from services, and nothing else."""
