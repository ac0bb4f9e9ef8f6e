"""`python -m entrepot` is the `entrepot` command."""

import sys


def main() -> None:
    """Run the command, where what it needs is installed."""
    try:
        from entrepot.cli import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "entrepot":
            raise
        sys.exit(f"error: the command line needs {error.name}: pip install 'entrepot[cli]'")
    app()


if __name__ == "__main__":
    main()
