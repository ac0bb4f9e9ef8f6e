"""The console: pages for people, rendered here; what their browsers run and load is built out of ``frontend/``.

A page is a module with ``PAGES``; what the navigation names is in :mod:`~entrepot.server.console.page`.
"""
