"""Gates: folders into which files come."""
