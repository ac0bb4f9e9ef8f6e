"""Importers: what reads a gate's files into raw series."""
