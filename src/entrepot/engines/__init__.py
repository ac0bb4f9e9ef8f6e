"""Calls of scripts that are made elsewhere: on a Dask cluster, or by remote workers that ask for them over HTTPS."""
