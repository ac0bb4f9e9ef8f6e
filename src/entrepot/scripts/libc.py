"""The few system calls that Python does not offer."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, first: int, second: int = 0) -> None:
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    if _libc.prctl(option, *arguments):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. To be called after any change of user."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide(hidden: bool) -> None:
    """Close this process's memory and descriptors to others of the same user, or open them again."""
    _prctl(_PR_SET_DUMPABLE, 0 if hidden else 1)


def gain_nothing() -> None:
    """Let no program started from here have more rights than this process, whatever its mode bits."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def become(user: int, *, keep_reading: bool) -> None:
    """Become an unprivileged user, without groups.

    Parameters
    ----------
    user
        The number of the user, and of its group.
    keep_reading
        Keep the right to read what only others may read, and nothing else: where Python itself lies in a private
        folder, an unprivileged script could import nothing.
    """
    os.setgroups([])
    os.setresgid(user, user, user)
    if keep_reading:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setresuid(user, user, user)
    if keep_reading:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        reading = 1 << _CAP_DAC_READ_SEARCH
        # Effective, permitted, inheritable; then the same for the capabilities above 32.
        sets = (ctypes.c_uint32 * 6)(reading, reading, reading, 0, 0, 0)
        if _libc.capset(header, sets):
            raise OSError(ctypes.get_errno(), "capset failed")
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)
