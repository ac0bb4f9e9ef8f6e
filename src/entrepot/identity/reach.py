"""How far a key reaches: its scopes, projects, series, networks and end, and whether one key is wider than another."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from entrepot.errors import InvalidInput

Right = Literal["read", "write", "admin"]
Network = IPv4Network | IPv6Network
#: The parts of the product that a key's scopes tell apart.
AREAS = ("series", "rows", "works", "files", "events", "identity")
RIGHTS: tuple[Right, ...] = ("read", "write", "admin")
#: Scopes as narrow as one piece of work, each with the wide one that includes it.
NARROW: dict[str, tuple[str, Right]] = {
    "points:write": ("series", "write"),
    "gate:write": ("series", "write"),
    "calls:work": ("series", "admin"),
    "works:deposit": ("works", "write"),
    "works:work": ("works", "write"),
    "files:publish": ("files", "write"),
}
_MOST = 1000


@dataclass(frozen=True)
class Reach:
    """What a key is narrowed to; None, each time, where it is not.

    Attributes
    ----------
    scopes
        ``area:right`` or one of :data:`NARROW`.
    projects, series
        Ids of the only ones that it reaches. A key of some series reaches nothing else, not even their project.
    networks
        Where its requests may come from.
    expires_at
        When it ends.
    """

    scopes: frozenset[str] | None = None
    projects: frozenset[str] | None = None
    series: frozenset[str] | None = None
    networks: tuple[Network, ...] | None = None
    expires_at: datetime | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it reaches some projects or series, and nothing of the organization as a whole."""
        return self.projects is not None or self.series is not None

    def allows(self, area: str, right: Right, narrow: str | None = None) -> bool:
        """Tell whether the scopes include this right, or the narrow scope that is enough for the work in question."""
        if self.scopes is None or (narrow is not None and narrow in self.scopes):
            return True
        enough = RIGHTS[RIGHTS.index(right) :]
        return any(f"{part}:{right_}" in self.scopes for part in (area, "*") for right_ in enough)

    def includes_address(self, address: str | None) -> bool:
        """Tell whether requests may come from this address."""
        if self.networks is None:
            return True
        try:
            found = ip_address((address or "").partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.networks)

    def wider(self, other: "Reach") -> str | None:
        """Return in what this reaches further than another: the name of the field, or None when it is no wider."""
        if other.scopes is not None and (self.scopes is None or not all(map(other.includes_scope, self.scopes))):
            return "scopes"
        if not _is_within(self.projects, other.projects):
            return "projects"
        if not _is_within(self.series, other.series):
            return "series"
        if other.networks is not None and not _are_within(self.networks, other.networks):
            return "networks"
        if other.expires_at is not None and (self.expires_at is None or self.expires_at > other.expires_at):
            return "expires_at"
        return None

    def includes_scope(self, scope: str) -> bool:
        """Tell whether the scopes include another one, narrow or wide."""
        if scope in NARROW:
            return self.allows(*NARROW[scope], scope)
        area, _, right = scope.partition(":")
        return self.allows(area, right)  # type: ignore[arg-type]


#: The reach of a password: all that its user may do.
WHOLE = Reach()


def parse_scopes(scopes: Sequence[str] | None) -> list[str] | None:
    """Return the scopes, checked: each is ``area:right``, ``*:right`` being every area, or a narrow one.

    Raises
    ------
    InvalidInput
        A scope is not of that form.
    """
    if scopes is None:
        return None
    for scope in scopes:
        area, _, right = scope.partition(":")
        if scope not in NARROW and (area not in (*AREAS, "*") or right not in RIGHTS):
            raise InvalidInput.field(
                "scopes",
                f"{scope[:100]!r} is neither area:right (areas: {', '.join(AREAS)}, *; rights: {', '.join(RIGHTS)}) "
                f"nor one of {', '.join(NARROW)}.",
            )
    return list(dict.fromkeys(scopes))


def parse_networks(networks: Sequence[str] | None) -> tuple[Network, ...] | None:
    """Return the networks, each an address or in CIDR notation; of an address with a mask, the network around it.

    Raises
    ------
    InvalidInput
        One of them is no network.
    """
    if networks is None:
        return None
    found = []
    for text in named("networks", networks):
        try:
            found.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise InvalidInput.field(
                "networks", f"{text[:100]!r} is no network such as 192.0.2.0/24 or 2001:db8::/32."
            ) from None
    return tuple(dict.fromkeys(found))


def named(field: str, given: Sequence[str]) -> list[str]:
    """Return what a key is to be bound to, once each: at least one, and not without end."""
    if not given:
        raise InvalidInput.field(field, "Name at least one, or leave this out.")
    if len(given) > _MOST:
        raise InvalidInput.field(field, f"At most {_MOST}.")
    return list(dict.fromkeys(given))


def _is_within(ids: Collection[str] | None, others: Collection[str] | None) -> bool:
    return others is None or (ids is not None and set(ids) <= set(others))


def _are_within(networks: Iterable[Network] | None, others: Sequence[Network]) -> bool:
    return networks is not None and all(
        any(network.version == other.version and network.subnet_of(other) for other in others)  # type: ignore[arg-type]
        for network in networks
    )
