"""What a job printed, told bit by bit: whoever adds up what is told has what there is."""

from hypothesis import given
from hypothesis import strategies as st

from entrepot.server.api.job_stream import added, mark_of, rest

texts = st.text(st.sampled_from("ab\n"), max_size=30)


def applied(held: str, told: tuple[str, bool]) -> str:
    text, is_anew = told
    return text if is_anew else held + text


@given(st.lists(texts, min_size=1), st.integers(0, 30))
def test_who_adds_up_what_is_told_has_all_of_it(outputs: list[str], breaks: int) -> None:
    held, known, mark = "", None, ""
    for number, output in enumerate(outputs):
        if number == breaks:  # the connection breaks: the client comes again with the mark of what it has
            known = None
        told = rest(mark, output) if known is None else added(known, output)
        held = applied(held, told)
        assert held == output
        known, mark = output, mark_of(output) if any(told) else mark


@given(texts, st.text(max_size=30))
def test_a_mark_that_is_none_of_ours_gets_all_anew(output: str, mark: str) -> None:
    assert rest(mark, output) in {(output, bool(mark)), ("", False), *((output[at:], False) for at in range(30))}
    assert rest("9999999999999999999-0", output) == (output, True)
