"""Which files may be offered: their stored bytes were read and found right, and their signatures suffice."""
