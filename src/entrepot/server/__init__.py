"""The edge: HTTP and FTP."""
