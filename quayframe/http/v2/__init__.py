"""The registry protocol: the OCI distribution specification, one file per noun."""
