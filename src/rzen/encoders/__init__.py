"""Contents to unit vectors."""
