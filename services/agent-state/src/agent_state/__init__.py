"""Knows every agent: who it is, how it does, whether it is there."""
