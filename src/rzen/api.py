"""Index and load: what the command line, the service and notebooks share."""
