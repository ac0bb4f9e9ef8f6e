"""What happens to results, in one ordered log, and who is told."""

from entrepot.events.log import emit
from entrepot.events.models import Event, Notification

__all__ = ["Event", "Notification", "emit"]
