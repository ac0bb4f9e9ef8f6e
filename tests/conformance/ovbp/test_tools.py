"""The tools that come with the published client, on a server of their own: in the end they delete everything."""

import pytest

from tests.conformance.ovbp.conftest import RunScript

pytestmark = pytest.mark.conformance


def test_download_deactivate_clear_and_delete(ovbp: RunScript) -> None:
    taken = ovbp("ovbp_tools")
    everything = [
        "1-gates/fed.json",
        "1-gates/gate.json",
        "2-importers/importer.json",
        "3-cleaners/importer/#cleaner.json",
        "3-cleaners/importer/a-cleaned.json",
        "4-analyses/analysis.json",
    ]
    assert taken["active"] == {
        "feeders": {"fed": True, "gate": None},
        "importers": {"importer": True},
        "analyses": {"analysis": True},
    }
    assert taken["downloaded"] == everything
    assert taken["deactivated"] == {
        "feeders": {"fed": False, "gate": None},
        "importers": {"importer": False},
        "analyses": {"analysis": True},
    }
    assert taken["cleared"] == []
    assert taken["deleted"]
    both = [f"{project}/{file}" for project in ("first", "second") for file in everything]
    assert taken["downloaded_organization"] == both
    assert taken["projects"] == []
