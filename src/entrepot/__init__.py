"""Entrepot: one self-hosted server for series, rows, works and files."""

__version__ = "0.1.0"
