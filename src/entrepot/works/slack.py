"""Notices of works in Slack: told once a work has ended, where the operator has named an address for it."""

import json
from typing import Any

import httpx
from sqlalchemy.orm import Session

from entrepot import jobs, net
from entrepot.errors import Unavailable
from entrepot.identity import Principal
from entrepot.works.document import FINISHED, Document
from entrepot.works.lineage import can_be_kept
from entrepot.works.query.searchable import is_storable

_KIND = "works.slack"
_SECONDS = 10.0
_MAX_RECIPIENTS = 20
_MAX_CHARACTERS = 3000


def tell_later(session: Session, principal: Principal, reported: list[Document]) -> None:
    """Have the ends of works told, once the caller's unit of work is committed, to whom they name."""
    for work in reported:
        slack, recipients = _wanted(work)
        if not recipients:
            continue
        blocks = slack.get("blocks")
        payload = {"to": recipients, "text": _text(work, slack), "blocks": blocks if can_be_kept(blocks) else None}
        once = f"{principal.organization_id} {work['id']} {work['attempt']} {work['status']}"[:200]
        jobs.enqueue(session, _KIND, payload, organization_id=principal.organization_id, coalesce=once)


def is_told(work: Document) -> bool:
    """Tell whether somebody is told of the end of a work, if that is what is reported."""
    return bool(_wanted(work)[1])


def _wanted(work: Document) -> tuple[dict[str, Any], list[str]]:
    """Return what a work says of notices, and to whom its end is told."""
    slack = (work["notify"] or {}).get("slack")
    if work["status"] not in FINISHED or not isinstance(slack, dict):
        return {}, []
    if slack.get("channel_id") is None and slack.get("member_ids") is None:
        return slack, []
    return slack, _recipients(slack)


@jobs.task(_KIND, max_attempts=5, calls_out=True)
def tell(context: jobs.JobContext) -> dict[str, Any]:
    """Post a notice to each recipient; what Slack refuses is kept with the job."""
    settings, payload = context.settings, context.job.payload or {}
    if settings.slack_url is None:
        return {"sent": 0, "reason": "slack_url is not set"}
    headers = {"authorization": f"Bearer {settings.slack_token.get_secret_value()}"}
    sent, refused = 0, []
    with net.client(settings.webhook_allowed_networks, seconds=_SECONDS, headers=headers) as client:
        for channel in payload["to"]:
            message = {"channel": channel, "text": payload["text"]}
            if payload.get("blocks"):
                message["blocks"] = [payload["blocks"]]
            problem = _post(client, settings.slack_url, message)
            if problem is None:
                sent += 1
            else:
                refused.append(f"{channel}: {problem}"[:200])
    return {"sent": sent, "refused": refused}


def _post(client: httpx.Client, url: str, message: dict[str, Any]) -> str | None:
    """Return why Slack did not take a message, None when it did."""
    try:
        answer = client.post(url, json=message)
    except httpx.HTTPError as error:
        raise Unavailable(f"Slack does not answer: {type(error).__name__}.") from None
    if answer.is_server_error:
        raise Unavailable(f"Slack answers {answer.status_code}.")
    try:
        said = answer.json()
    except ValueError:
        said = {"ok": answer.is_success}  # an incoming webhook of Slack answers "ok" as plain text
    if isinstance(said, dict) and said.get("ok") and answer.is_success:
        return None
    return str(said.get("error") if isinstance(said, dict) else answer.status_code)


def _recipients(slack: Document) -> list[str]:
    members = slack.get("member_ids")
    named = [slack.get("channel_id"), *(members if isinstance(members, list) else ())]
    return list(dict.fromkeys(one for one in named if isinstance(one, str) and one and is_storable(one)))[
        :_MAX_RECIPIENTS
    ]


def _text(work: Document, slack: Document) -> str:
    said = slack.get("message")
    lines = [said] if isinstance(said, str) and said else []
    lines.append(f"{work['pipeline']} {work['id']}: {work['status']}")
    shown = [name for name in ("results", "products", "plots") if slack.get(name) is True and work[name]]
    lines += [f"{name}: {json.dumps(work[name], ensure_ascii=False)}" for name in shown]
    text = "\n".join(lines).encode(errors="replace").decode().replace("\0", "")
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
