"""The filter of system calls under which users' scripts run: what no script needs of the kernel is refused.

It is a list of what is refused, not of what is allowed: pandas and its neighbours change what they call from one
release to the next. What it names are the ways to other processes, to files without their path, to mounts and
namespaces, and the parts of the kernel that were the way out of sandboxes before.
"""

import ctypes
import errno
import os
import socket
import struct

from . import libc

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_NOT_LESS, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Where the kernel has number, architecture and arguments of a call; these are the lower halves.
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_X32 = 0x40000000
_NAMESPACES = 0x7E020000  # CLONE_NEW* of clone(); those of time are for unshare alone
_TERMINALS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into somebody else's terminal
_BY_PATH = (socket.AF_UNIX, socket.AF_NETLINK)
_WITH_NETWORK = (*_BY_PATH, socket.AF_INET, socket.AF_INET6)

# Numbers of x86_64 and aarch64; None where there is no such call.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}
# Memory that nothing maps is counted by no limit of a process; and what has a newer way falls back to the older one.
_ABSENT: dict[str, tuple[int, int]] = {"memfd_create": (319, 279), "clone3": (435, 435)}
_CLONE, _IOCTL, _SOCKET, _SOCKETPAIR = (56, 220), (16, 29), (41, 198), (53, 199)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def supported() -> bool:
    """Whether there is a filter for this machine's architecture."""
    return os.uname().machine in _ARCHITECTURES


def install(*, network: bool) -> None:
    """Put this process, and all that it will start, under the filter for good; `gain_nothing` comes first.

    Parameters
    ----------
    network
        Whether it may make sockets of the internet.
    """
    words = program(os.uname().machine, network=network)
    text = ctypes.create_string_buffer(b"".join(words))
    header = struct.pack("@HxxxxxxP", len(words), ctypes.addressof(text))
    buffer = ctypes.create_string_buffer(header)
    libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(buffer))


def program(machine: str, *, network: bool) -> list[bytes]:
    """Return the filter's instructions for an architecture."""
    column, architecture = _ARCHITECTURES[machine]
    words = [
        _word(_LOAD, _ARCHITECTURE),
        _word(_JUMP_EQUAL, architecture, 1, 0),
        _word(_RETURN, _KILL),
        _word(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        words += [_word(_JUMP_NOT_LESS, _X32, 0, 1), _word(_RETURN, _ERRNO | errno.ENOSYS)]
    for numbers in _CALLS.values():
        words += _refuse(numbers[column], errno.EPERM)
    for pair in _ABSENT.values():
        words += _refuse(pair[column], errno.ENOSYS)
    words += _refuse_if(_CLONE[column], _FIRST, _JUMP_ANY_BIT, (_NAMESPACES,), errno.EPERM)
    words += _refuse_if(_IOCTL[column], _SECOND, _JUMP_EQUAL, _TERMINALS, errno.EPERM)
    for call in (_SOCKET, _SOCKETPAIR):
        words += _refuse_unless(call[column], _FIRST, _WITH_NETWORK if network else _BY_PATH, errno.EACCES)
    return [*words, _word(_RETURN, _ALLOW)]


def _word(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int | None, error: int) -> list[bytes]:
    return [] if number is None else [_word(_JUMP_EQUAL, number, 0, 1), _word(_RETURN, _ERRNO | error)]


def _refuse_if(number: int, argument: int, jump: int, values: tuple[int, ...], error: int) -> list[bytes]:
    tests = [word for value in values for word in (_word(jump, value, 0, 1), _word(_RETURN, _ERRNO | error))]
    return _for(number, argument, [*tests, _word(_RETURN, _ALLOW)])


def _refuse_unless(number: int, argument: int, values: tuple[int, ...], error: int) -> list[bytes]:
    tests = [word for value in values for word in (_word(_JUMP_EQUAL, value, 0, 1), _word(_RETURN, _ALLOW))]
    return _for(number, argument, [*tests, _word(_RETURN, _ERRNO | error)])


def _for(number: int, argument: int, words: list[bytes]) -> list[bytes]:
    """Return words that look at an argument of one call, and end in a verdict."""
    return [_word(_JUMP_EQUAL, number, 0, len(words) + 1), _word(_LOAD, argument), *words]
