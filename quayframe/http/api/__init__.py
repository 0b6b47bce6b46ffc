"""/api/v1: one module per noun, each a few resources that declare their operations."""
