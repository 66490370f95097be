"""Which agents should have which packages, and the offers that bring it about."""
