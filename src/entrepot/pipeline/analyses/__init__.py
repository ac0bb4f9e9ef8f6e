"""Analyses: series and rows out of series."""
