"""Request and response models: the words of the REST API."""
