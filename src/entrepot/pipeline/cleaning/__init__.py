"""Cleaners and their channels: raw series become regular ones."""
