"""What this room asks the services on the bus, one file per service."""
