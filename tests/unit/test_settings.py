"""Settings that make no sense are refused with their names, before any part starts."""

from pathlib import Path

import pytest

from entrepot.errors import InvalidInput
from entrepot.settings import load, load_again


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ENTREPOT_WORKER", "4", "ENTREPOT_WORKER: There is no such setting: did you mean ENTREPOT_WORKERS?"),
        ("entrepot_databse_url", "x", "did you mean ENTREPOT_DATABASE_URL?"),
        ("ENTREPOT_XYZZY", "1", "ENTREPOT_XYZZY: There is no such setting."),
        ("ENTREPOT_JOB_LEASE_SECONDS", "0.001", "job_lease_seconds: Input should be greater than or equal to 1"),
        ("ENTREPOT_FTP_PASSIVE_PORTS", "[3000, 2000]", "ftp_passive_ports: The first port must not be above the last"),
        (
            "ENTREPOT_FTP_PASSIVE_PORTS",
            "[0, 99999]",
            "ftp_passive_ports.1: Input should be less than or equal to 65535",
        ),
        ("ENTREPOT_DATABASE_URL", "mysql://u:p@h/d", "database_url: Write postgresql://user:password@host/name"),
        ("ENTREPOT_DATABASE_URL", "postgres//h", "database_url: Write postgresql://"),
        ("ENTREPOT_PORT", "70000", "port: "),
        ("ENTREPOT_FTP_PORT", "8000", "port and ftp_port are the same"),
        ("ENTREPOT_PUBLIC_URL", "data.example.org", "public_url: Write https://"),
        ("ENTREPOT_SCRIPT_MEMORY_BYTES", "1", "script_memory_bytes: "),
        ("ENTREPOT_TRUSTED_PROXIES", "127.0.0.1", "trusted_proxies"),
        (
            "ENTREPOT_FILE_LOCAL_ROOTS",
            '["/data/gates"]',
            "file_local_roots: /data/gates must lie beside the data folder",
        ),
        ("ENTREPOT_FILE_LOCAL_ROOTS", '["/"]', "file_local_roots: / must lie beside the data folder"),
    ],
)
def test_nonsense_in_a_variable_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput) as refused:
        load(data_dir=Path("/data"))
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert "p@h" not in refused.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wrokers = 4", "wrokers: There is no such setting: did you mean workers?"),
        ("workers = -1", "workers: Input should be greater than or equal to 0"),
        ("workers = ", "entrepot.toml: "),
    ],
)
def test_nonsense_in_the_file_is_refused_in_a_sentence(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "entrepot.toml").write_text(line)
    with pytest.raises(InvalidInput) as refused:
        load(data_dir=tmp_path)
    assert said in refused.value.message


def test_what_clients_find_in_their_environment_and_former_names_are_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("URL", "TOKEN", "TOKEN_FILE", "PROJECT", "KEY"):
        monkeypatch.setenv(f"ENTREPOT_{name}", "something")
    monkeypatch.setenv("ENTREPOT_FTP_BAN_SECONDS", "7")
    assert load(data_dir=tmp_path).login_ban_seconds == 7


def test_flags_hold_when_the_settings_are_read_again(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path, workers=3)
    (tmp_path / "entrepot.toml").write_text('workers = 5\nlog_level = "debug"')
    again = load_again(settings.model_copy(update={"port": 1}))
    assert (again.workers, again.log_level, again.port) == (3, "debug", 8000)
