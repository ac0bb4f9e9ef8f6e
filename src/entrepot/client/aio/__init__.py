"""The SDK's async face, and what its sync face is made of: ``make sync-face``."""
