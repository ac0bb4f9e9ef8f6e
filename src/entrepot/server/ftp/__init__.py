"""The FTP server: gates' and users' folders, each behind an account of its own.

An upload appears under its name when it is complete and safe on disk, or never.
"""
