"""Calls side by side, in order; and answers of other machines, of which only whole ones are taken."""

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.scripts import Limits, wire
from entrepot.scripts.answer import Answer, most_beginning, require_answer
from entrepot.scripts.engine import in_order
from entrepot.scripts.errors import KINDS

LIMITS = Limits(output=100, result=1000)
REPORT = {"reason": None, "code": 0, "cpu": 0.5, "seconds": 1, "peak": 1 << 30}
REPLY = b"".join(map(bytes, wire.pack(REPORT, [b"printed"])))
ANSWERS = st.builds(
    Answer,
    st.just(REPLY),
    st.none() | st.binary(max_size=2000),
    st.none() | st.sampled_from(sorted(KINDS)),
    st.booleans(),
)


def joined(answer: Answer) -> bytes:
    return b"".join(map(bytes, answer.pack()))


@given(ANSWERS)
def test_an_answer_crosses_machines(answer: Answer) -> None:
    message = joined(answer)
    require_answer(message[: most_beginning(LIMITS)], len(message), LIMITS)
    assert Answer.unpack(message, LIMITS) == answer


@given(ANSWERS, st.data())
def test_what_is_cut_or_changed_is_an_answer_or_refused(answer: Answer, data: st.DataObject) -> None:
    message = bytearray(joined(answer))
    with pytest.raises(ValueError):
        Answer.unpack(message[: data.draw(st.integers(0, len(message) - 1))], LIMITS)
    with pytest.raises(ValueError):
        Answer.unpack(bytes(message) + b"x", LIMITS)
    message[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = Answer.unpack(message, LIMITS)
    except ValueError:
        return
    assert found.lost is None or found.lost in KINDS
    assert found.lost is not None or found.report()[0].keys() == REPORT.keys()


@pytest.mark.parametrize("wrong", [{"code": 1000}, {"seconds": -1}, {"cpu": True}, {"peak": 1 << 63}, {"more": 1}])
def test_a_report_that_no_supervisor_writes_is_refused(wrong: dict[str, object]) -> None:
    reply = b"".join(map(bytes, wire.pack(REPORT | wrong, [b""])))
    with pytest.raises(ValueError, match="report"):
        Answer.unpack(joined(Answer(reply, b"")), LIMITS)


def test_an_answer_is_refused_for_its_size_before_it_is_looked_at() -> None:
    with pytest.raises(ValueError, match="more than"):
        require_answer(b"", Answer.most_bytes(LIMITS) + 1, LIMITS)


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_are_under_way_at_once_and_come_in_their_order(at_once: int) -> None:
    under_way, most, lock = [0], [0], threading.Lock()
    met = threading.Barrier(at_once)

    def double(value: int, _: Callable[[], bool]) -> int:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        met.wait(20)
        with lock:
            under_way[0] -= 1
        return value * 2

    assert list(in_order(double, iter(range(6)), at_once, lambda: False)) == [0, 2, 4, 6, 8, 10]
    assert most[0] == at_once


def test_the_first_that_fails_ends_the_others() -> None:
    asked, begun, ended = [], threading.Event(), threading.Event()

    def fail(value: int, cancelled: Callable[[], bool]) -> int:
        if value == 0:
            assert begun.wait(20)
            raise ValueError("the first")
        begun.set()
        while not cancelled():
            pass
        ended.set()
        return value

    def numbers() -> Iterator[int]:
        for value in range(100):
            asked.append(value)
            yield value

    with pytest.raises(ValueError, match="the first"):
        list(in_order(fail, numbers(), 3, lambda: False))
    assert ended.is_set()
    assert len(asked) <= 3
