"""The scenarios, by what they are about; see catalogue."""
