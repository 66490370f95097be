"""The checks, by chapter of the specification; importing a module enters its checks in the catalogue."""
