"""The wire formats of the four published clients."""
