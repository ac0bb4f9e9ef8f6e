"""Small things that notebooks need."""

from pathlib import Path


def load_token_from_env_file(env_file: str | Path, env_var: str = "OWI_METADATABASE_API_TOKEN") -> str | None:
    """Return what a file of ``NAME=value`` lines says of a variable; None when there is no such file, line or value."""
    path = Path(env_file)
    if not path.exists():
        return None
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and name.removeprefix("export ").strip() == env_var:
            return value.strip().strip("\"'") or None
    return None
