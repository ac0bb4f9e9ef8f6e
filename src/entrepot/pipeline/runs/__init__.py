"""What is done over all kinds: clearing, trying, exporting, watching, deleting projects."""
