"""Who vouches for files: keys, signatures, and signed lists of everything in a channel."""
