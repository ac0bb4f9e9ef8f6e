"""The work queue, the archive and its MongoDB queries."""
