"""Who works on what."""

from entrepot.client.ovbp.projects import Organization, Project, User

__all__ = ["Organization", "Project", "User"]
