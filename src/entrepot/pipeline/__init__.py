"""Gates, importers, cleaners and analyses: their configuration and their runs."""
