"""The REST API operators use."""
