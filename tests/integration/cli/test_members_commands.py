"""Users, keys and organizations from the terminal of who is not at the server's machine; and whom commands ask."""

from pathlib import Path

import pytest

from tests.support.terminal import Terminal

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


def test_users_of_an_organization(terminal: Terminal) -> None:
    made = terminal.json("users create grace --role writer --email grace@example.org")
    assert (made["login"], made["role"], len(made["password"]) > 15) == ("grace", "writer", True)
    assert [(one["login"], one["role"]) for one in terminal.json("users list")] == [
        ("ada", "admin"),
        ("grace", "writer"),
    ]
    assert terminal.json("users set grace role=admin")["role"] == "admin"
    assert terminal.json("users show grace")["role"] == "admin"
    assert terminal.json("users set ada mail_notices=false email=ada@example.org")["email"] == "ada@example.org"
    assert "grace's own to change" in terminal.refused("users set grace email=x@example.org")
    assert "no such setting" in terminal.refused("users set grace password=x")
    assert "there is grace" in terminal.refused("users show grce")
    terminal.run("users delete grace")
    assert [one["login"] for one in terminal.json("users list")] == ["ada"]
    assert "at least one administrator" in terminal.refused("users delete ada")
    assert terminal.asked
    assert all(path.startswith("/api/v1/m") for path in terminal.asked)


def test_keys_of_oneself(terminal: Terminal) -> None:
    terminal.run("projects create Farm")
    made = terminal.json("keys create --name loader --scope points:write --project Farm --expires-days 1")
    assert (made["login"], made["token"][:4]) == ("ada", "ent_")
    shown = terminal.json(f"keys show {made['id']}")
    assert (shown["scopes"], len(shown["projects"]), "token" in shown) == (["points:write"], 1, False)
    assert terminal.json(f"keys set {made['id']} name=north")["name"] == "north"
    assert "only its name" in terminal.refused(f"keys set {made['id']} scopes=null")
    assert terminal.json(f"keys rotate {made['id']}")["token"] != made["token"]
    terminal.run(f"keys delete {made['id']}")
    assert [one["name"] for one in terminal.json("keys list") if one["revoked_at"]] == ["north"]
    assert terminal.run("keys create --quiet").stdout.startswith("ent_")
    assert "others' with --data-dir" in terminal.refused("keys create grace")
    assert "404" in terminal.refused("keys show 0b9f3c4e")


def test_organizations_of_oneself(terminal: Terminal) -> None:
    assert terminal.json("organizations list")[0]["role"] == "admin"
    assert terminal.json("organizations set own description=north")["description"] == "north"
    assert terminal.json("organizations show own")["description"] == "north"
    assert "name" in terminal.refused("organizations set own name=other")
    limits = {one["limit"]: one["used"] for one in terminal.json("organizations limit own")}
    assert limits["points"] == 0
    assert "Your key is of own" in terminal.refused("organizations limit other")
    assert "operator" in terminal.refused("organizations limit --points 5", code=2)


def test_whom_a_command_asks(terminal: Terminal, tmp_path: Path) -> None:
    """What is typed counts more than variables, and of these the folder more than the server."""
    other = str(tmp_path / "other")
    assert "is no data folder" in terminal.refused("users list --data-dir", other)
    terminal.environment["ENTREPOT_DATA_DIR"] = other
    assert "is no data folder" in terminal.refused("users list")
    assert terminal.json("users list --token", terminal.api.token)[0]["login"] == "ada"
    assert "either --data-dir, or" in terminal.refused("users list --token x --data-dir", other, code=2)
    del terminal.environment["ENTREPOT_DATA_DIR"]
    assert "goes with --data-dir" in terminal.refused("users list --organization own", code=2)
    del terminal.environment["ENTREPOT_TOKEN"]
    assert "entrepot login URL" in terminal.refused("keys list", code=2)


def test_webhooks_are_shown_and_told_of_other_events(terminal: Terminal) -> None:
    made = terminal.json("webhooks create https://example.org/hooks --type file.published")
    terminal.run(f"webhooks set {made['id']} --type work --type file")
    assert terminal.json(f"webhooks show {made['id']}")["types"] == ["work", "file"]
    terminal.run(f"webhooks set {made['id']} --type all --off")
    assert terminal.json(f"webhooks show {made['id']}")["types"] is None


def test_requests_are_made_listed_shown_and_ended(terminal: Terminal) -> None:
    made = terminal.json("requests create ada/icloud.account/a/b", 'data_types=["photos"]')
    source = {"id": made["source"]["id"], "user": "ada", "type": "icloud.account", "identifier": "a/b"}
    assert (made["source"], made["payload"]) == (source, {"data_types": ["photos"]})
    again = terminal.json("requests create", source["id"])
    assert [one["id"] for one in terminal.json("requests list --status pending")] == [again["id"], made["id"]]
    assert "ada/icloud.account/a/b" in terminal.run("requests list").stdout
    assert "cancelled" in terminal.run("requests cancel", made["id"]).stdout
    (step,) = terminal.json("requests show", made["id"])["steps"]
    assert step["error"] == "The request was cancelled."
    assert "USER/TYPE/IDENTIFIER" in terminal.refused("requests create ada/icloud.account")
