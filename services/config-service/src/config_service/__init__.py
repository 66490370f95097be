"""config-service: versioned configurations, who should run which, and whether they do."""
