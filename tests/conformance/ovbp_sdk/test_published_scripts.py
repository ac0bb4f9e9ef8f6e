"""What users of the published client rely on beyond the documented day, with the project's client."""

from tests.conformance.ovbp.test_checklist import (
    pytestmark,
    test_450_series_are_listed_whole_and_newest_first,
    test_a_configuration_goes_through_a_workbook_and_back,
    test_of_two_exports_within_a_second_each_call_gets_its_own,
)

__all__ = [
    "pytestmark",
    "test_450_series_are_listed_whole_and_newest_first",
    "test_a_configuration_goes_through_a_workbook_and_back",
    "test_of_two_exports_within_a_second_each_call_gets_its_own",
]
