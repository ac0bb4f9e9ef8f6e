"""What draws rows and series, for the server, the SDK and the command line alike.

Needs the packages of ``entrepot[plots]``.
"""
