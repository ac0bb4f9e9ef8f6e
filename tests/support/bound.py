"""Servers of the tests end with the process of the tests that started them, however that one ends."""


def bound(*, signal: str = "KILL") -> list[str]:
    """Return the words before a command by which the kernel sends it a signal when its parent dies.

    Ctrl-C gives the processes of the tests ten seconds to end what they started; then they are killed.
    """
    return ["setpriv", "--pdeathsig", signal, "--"]
