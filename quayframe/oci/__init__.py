"""Values and grammars of the OCI distribution and image specifications: pure, without I/O."""
