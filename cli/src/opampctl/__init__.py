"""The command line of the OpAMP Platform."""
