"""Organizations, projects, users, API keys, and what each caller may do."""

from entrepot.identity.models import (
    ApiKey,
    AuditEntry,
    ConsoleSession,
    FtpAccount,
    KeptAnswer,
    Membership,
    Organization,
    Project,
    Role,
    SignIns,
    User,
)
from entrepot.identity.principal import Principal
from entrepot.identity.reach import AREAS, Reach, Right
from entrepot.identity.vault import BadKey, Vault

__all__ = [
    "AREAS",
    "ApiKey",
    "AuditEntry",
    "BadKey",
    "ConsoleSession",
    "FtpAccount",
    "KeptAnswer",
    "Membership",
    "Organization",
    "Principal",
    "Project",
    "Reach",
    "Right",
    "Role",
    "SignIns",
    "User",
    "Vault",
]
