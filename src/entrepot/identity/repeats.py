"""Requests that may come again: the first answer is kept in the transaction of what it tells of, and given again."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.errors import InvalidInput
from entrepot.identity.models import KeptAnswer
from entrepot.identity.principal import Principal
from entrepot.identity.vault import Vault

HEADER = "Idempotency-Key"
_LONGEST = 255
_AT_ONCE = 1000


class KeyReused(InvalidInput):
    """The idempotency key came before, with another request."""

    status = 422
    code = "idempotency-key-reused"


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Repeatable:
    """A request that came with a key of its sender's choice, so that it can come again.

    Attributes
    ----------
    user_id, key_sha256
        Whose key it is, and which: nobody meets the keys of others.
    request_sha256
        What was asked, of whom and as whom.
    """

    user_id: str
    key_sha256: str
    request_sha256: str

    @classmethod
    def of(cls, principal: Principal, key: str, asked: Iterable[str | bytes]) -> "Repeatable":
        """Return the request that a caller sends with a key.

        Parameters
        ----------
        asked
            What tells this request from others: its method, address and body.

        Raises
        ------
        InvalidInput
            The key cannot be one.
        """
        if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
            raise InvalidInput.field(HEADER, f"Send 1 to {_LONGEST} printable ASCII characters.")
        digest = hashlib.sha256()
        for part in (principal.organization_id, principal.key_id or "", *asked):
            content = part.encode() if isinstance(part, str) else part
            digest.update(b"%d:" % len(content) + content)
        return cls(principal.user_id, hashlib.sha256(key.encode()).hexdigest(), digest.hexdigest())

    def find(self, session: Session, vault: Vault, since: datetime) -> Answer | None:
        """Return what the request was answered when it came before; None when it is new, and is to be answered now.

        Whoever sends the same key meanwhile waits until the transaction ends.

        Parameters
        ----------
        since
            Answers from before are no longer kept.

        Raises
        ------
        KeyReused
            Another request came with the key.
        """
        advisory_lock(session, "repeat", self.user_id, self.key_sha256)
        kept = session.get(KeptAnswer, (self.user_id, self.key_sha256))
        if kept is None:
            return None
        if kept.created_at < since:
            session.delete(kept)
            session.flush()
            return None
        if kept.request_sha256 != self.request_sha256:
            raise KeyReused.field(HEADER, "This key came before, with another request: give each its own.")
        return Answer(kept.status, kept.headers, zlib.decompress(vault.decrypt(kept.body_encrypted).encode("latin-1")))

    def keep(self, session: Session, vault: Vault, answer: Answer) -> None:
        """Keep an answer, if and only if the transaction commits."""
        statement = insert(KeptAnswer).values(
            user_id=self.user_id,
            key_sha256=self.key_sha256,
            request_sha256=self.request_sha256,
            status=answer.status,
            headers=dict(answer.headers),
            body_encrypted=vault.encrypt(zlib.compress(answer.body, 1).decode("latin-1")),
        )
        session.execute(statement)


def prune(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete answers from before an instant; return how many."""
    key = tuple_(KeptAnswer.user_id, KeptAnswer.key_sha256)
    query = select(KeptAnswer.user_id, KeptAnswer.key_sha256).where(KeptAnswer.created_at < before).limit(limit)
    old = [tuple(one) for one in session.execute(query)]
    if old:
        session.execute(delete(KeptAnswer).where(key.in_(old)), execution_options={"synchronize_session": False})
    return len(old)
