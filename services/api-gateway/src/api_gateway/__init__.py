"""The REST API operators and other systems use. Owns users and sessions; fleet data comes from the services."""
