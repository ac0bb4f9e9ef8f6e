"""The tools, with the project's client, on a server of their own: in the end they delete everything."""

from tests.conformance.ovbp.test_tools import pytestmark, test_download_deactivate_clear_and_delete

__all__ = ["pytestmark", "test_download_deactivate_clear_and_delete"]
