"""The console: pages for people, rendered here, with a style sheet and no script.

A page is a module with ``PAGES``; what the bar at the top names is in :mod:`~entrepot.server.console.page`.
"""
