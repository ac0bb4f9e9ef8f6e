"""Every kind of record, as :mod:`~entrepot.client.ovbp.models.oteams` and ``odata`` name them."""

from entrepot.client.ovbp.models import odata, oteams
from entrepot.client.ovbp.records import BaseModel

__all__ = ["BaseModel", "odata", "oteams"]
