"""How we run: settings, logs, metrics, health, bus, database, web. Knows nothing of OpAMP."""
