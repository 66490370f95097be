"""The command line of the OpAMP Platform, and its fleet simulator."""

__version__ = "0.1.0"
