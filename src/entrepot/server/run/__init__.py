"""A server that runs: the application put together, the processes of its parts, and who watches over them."""
