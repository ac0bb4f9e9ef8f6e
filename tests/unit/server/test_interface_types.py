"""The types of the console's scripts are what the interface says."""

from tools import interface_types


def test_the_types_of_the_consoles_scripts_are_those_of_the_interface() -> None:
    assert interface_types.FILE.read_text() == interface_types.written(), "run `make types`"
