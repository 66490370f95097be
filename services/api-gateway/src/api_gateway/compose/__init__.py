"""Several answers from the bus become one view of the API. Pure."""
