"""The whole platform on one machine: servers from wheels, services as processes."""
