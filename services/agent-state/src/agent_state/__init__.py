"""Knows every agent: who it is, how it is, what it runs, and when it was connected."""
