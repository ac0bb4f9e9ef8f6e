"""The surface of CHIME/FRB Workflow, on today's Python: works that wait in buckets, and the results that they leave.

Code written for ``workflow.core`` runs when its imports are changed::

    from entrepot.client.workflow import HTTPContext

    results = HTTPContext(backends=["results"]).results
    results.get_by_count("header-localization", 10)
"""

from entrepot.client.workflow.buckets import Buckets
from entrepot.client.workflow.context import HTTPContext
from entrepot.client.workflow.definitions import Archive, Config, Notify, Slack
from entrepot.client.workflow.results import Results
from entrepot.client.workflow.work import Work

__all__ = ["Archive", "Buckets", "Config", "HTTPContext", "Notify", "Results", "Slack", "Work"]
