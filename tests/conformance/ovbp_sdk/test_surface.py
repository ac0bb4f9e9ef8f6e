"""Every public name of the published client exists in ours, and can be called as there; what differs, and why."""

from typing import Any

import pytest

from tests.conformance.runner import run_script

pytestmark = pytest.mark.conformance

OURS = "entrepot.client.ovbp"
# Modules below the second level are an affair of each client's own; what they define is found here.
MOVED = {
    "endpoints.base": "endpoints",
    "endpoints.series": "endpoints",
    "models.base": "models",
    "models.mixin_active": "models.odata",
    "models.odata.analysis": "models.odata",
    "models.odata.base_feeder": "models.odata",
    "models.odata.cleaner": "excel",
    "models.odata.ftp_account": "models.odata",
    "models.odata.ftp_entry": "models.odata",
    "models.odata.gate": "models.odata",
    "models.odata.gate_ftp_account": "models.odata",
    "models.odata.importer": "models.odata",
    "models.odata.mixin_generator": "models.odata",
    "models.odata.project": "models.odata",
    "models.odata.series": "models.odata",
    "models.odata.task": "tasks",
    "models.oteams.organization": "models.oteams",
    "models.oteams.project": "models.oteams",
    "models.oteams.user": "models.oteams",
    "tools.clear": "tools",
    "tools.deactivate": "tools",
    "tools.delete": "tools",
    "tools.download": "tools",
}
DIFFERENCES = {
    "rest_client.RestClient.MAX_ITERATIONS": "nothing reads it",
    "rest_client.check_rep": "a helper for answers of requests; ours are httpx's, and raise inside the client",
    "rest_client.rep_to_json": "the same",
    "models.odata.cleaner.Cleaner": "found in models.odata",
    "version": "the version is the distribution's: entrepot.__version__",
}

Parameters = list[list[Any]]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the published client offers."""
    return _surface("ovbpclient", "ovbpclient", tmp_path_factory)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ours offers."""
    return _surface("sdk", OURS, tmp_path_factory)


def _surface(environment: str, package: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp(environment)
    taken: dict[str, Any] = run_script(environment, "ovbp_surface", folder, {"package": package})
    taken["modules"] = {name.removeprefix(package).removeprefix("."): found for name, found in taken["modules"].items()}
    return taken


def test_every_name_exists_and_is_called_alike(published: dict[str, Any], ours: dict[str, Any]) -> None:
    missing: dict[str, str] = {}
    for module, names in published["modules"].items():
        place = MOVED.get(module, module)
        there = ours["modules"].get(place)
        if there is None:
            missing[module] = f"no module {place}"
            continue
        for name, thing in names.items():
            # A module need not offer what it only uses itself; packages offer what they take in.
            if thing["home"] != f"ovbpclient.{module}" and module not in (
                "",
                "endpoints",
                "models.odata",
                "models.oteams",
            ):
                continue
            path = f"{module}.{name}".removeprefix(".")
            missing |= {path: "no such name"} if name not in there else _differences(path, thing, there[name])
    assert missing.keys() == DIFFERENCES.keys(), missing


def test_a_client_has_the_same_endpoints_of_the_same_records(published: dict[str, Any], ours: dict[str, Any]) -> None:
    assert ours["endpoints"].keys() == published["endpoints"].keys()
    for name, (path, kind, members) in published["endpoints"].items():
        our_path, our_kind, our_members = ours["endpoints"][name]
        assert (our_path, our_kind) == (path, kind)
        assert set(members) <= set(our_members), name


def test_the_comparison_sees_what_is_not_compatible() -> None:
    a, b = ["a", "POSITIONAL_OR_KEYWORD", "1"], ["b", "POSITIONAL_OR_KEYWORD", None]
    extra = ["c", "KEYWORD_ONLY", "None"]
    assert _call_alike([a], [a, extra])
    assert _call_alike([b, a], [b, a])
    assert not _call_alike([a], [["a", "POSITIONAL_OR_KEYWORD", "2"]])
    assert not _call_alike([b, a], [a, b])
    assert not _call_alike([a], [])
    assert not _call_alike([b], [b, ["d", "POSITIONAL_OR_KEYWORD", None]])


def _differences(path: str, thing: dict[str, Any], ours: dict[str, Any]) -> dict[str, str]:
    if "constant" in thing:
        return {} if ours.get("constant") == thing["constant"] else {path: f"is {ours}"}
    if "function" in thing:
        alike = "function" in ours and _call_alike(thing["function"], ours["function"])
        return {} if alike else {path: f"{thing} became {ours}"}
    found = {}
    for name, signature in thing["class"].items():
        member = ours.get("class", {}).get(name)
        if member is None:
            found[f"{path}.{name}"] = "no such member"
        elif isinstance(signature, list) and not (isinstance(member, list) and _call_alike(signature, member)):
            found[f"{path}.{name}"] = f"{signature} became {member}"
    return found


def _call_alike(published: Parameters, ours: Parameters) -> bool:
    """Tell whether every call of the published function means the same of ours."""
    return ours[: len(published)] == published and all(
        default is not None or kind.startswith("VAR_") for _, kind, default in ours[len(published) :]
    )
