"""What importers, cleaners and analyses have in common: finding, asking, telling, publishing."""
