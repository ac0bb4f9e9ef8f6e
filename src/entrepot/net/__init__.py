"""The way out, to addresses that users name: it leads to public ones, and to those that the operator allows."""

from entrepot.net.addresses import Address, Network, Refused, check_url, connect, is_allowed, resolve
from entrepot.net.http import client

__all__ = ["Address", "Network", "Refused", "check_url", "client", "connect", "is_allowed", "resolve"]
