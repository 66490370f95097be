"""package-service: agent packages, their files and who may have them."""
