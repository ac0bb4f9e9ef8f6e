"""The few system calls that Python does not offer."""

import contextlib
import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522

NEW_MOUNTS = 0x00020000
NEW_CGROUP = 0x02000000
NEW_NAMES = 0x04000000
NEW_IPC = 0x08000000
NEW_USERS = 0x10000000
NEW_PROCESSES = 0x20000000
NEW_NETWORK = 0x40000000

# The same numbers on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_FDCWD = -100
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE, _CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS = 1, 2, 4, 8
_MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x4000, 0x40000, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_uint64] | None) -> int:
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *longs), what)


def prctl(option: int, first: int, second: int = 0) -> int:
    """Change something of this process."""
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    return _check(_libc.prctl(option, *arguments), f"prctl {option}")


# ------------------------------------------------------------------------------------------------ processes


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. To be called after any change of user."""
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide(hidden: bool) -> None:
    """Close this process's memory and descriptors to others of the same user, or open them again."""
    prctl(_PR_SET_DUMPABLE, 0 if hidden else 1)


def gain_nothing() -> None:
    """Let no program started from here have more rights than this process, whatever its mode bits."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def become(user: int) -> None:
    """Become an unprivileged user, without groups."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def bound_capabilities() -> None:
    """Let no program started from here ever have a capability; without the right to say so, it has none anyway."""
    capability = 0
    with contextlib.suppress(OSError):  # the number after the last one; or this process may not
        while True:
            prctl(_PR_CAPBSET_READ, capability)
            prctl(_PR_CAPBSET_DROP, capability)
            capability += 1
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities() -> None:
    """Give up every capability."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable; then the same for the capabilities above 32.
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def unshare(namespaces: int) -> None:
    """Leave the namespaces of these kinds for new ones; of processes, only the next children do."""
    _check(_libc.unshare(namespaces), "unshare")


# ------------------------------------------------------------------------------------------------ mounts


def clone_mount(path: str) -> int:
    """Return what is at `path`, with all that is mounted below, as a descriptor that can be attached elsewhere."""
    flags = _OPEN_TREE_CLONE | _CLOEXEC | _AT_RECURSIVE
    return _syscall(f"open_tree {path}", _OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags)


def make_mount(kind: str, flags: int, **options: str) -> int:
    """Return a new file system that is attached nowhere yet; it is gone once nobody holds or has attached it."""
    context = _syscall(f"fsopen {kind}", _FSOPEN, kind.encode(), 1)
    try:
        for name, value in options.items():
            words = (name.encode(), value.encode(), 0)
            _syscall(f"fsconfig {kind} {name}", _FSCONFIG, context, _FSCONFIG_SET_STRING, *words)
        _syscall(f"fsconfig {kind}", _FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(f"fsmount {kind}", _FSMOUNT, context, 1, flags)
    finally:
        os.close(context)


def attach(mount: int, path: str) -> None:
    """Attach a mount at a path of this process's mount namespace."""
    words = (mount, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH)
    _syscall(f"move_mount {path}", _MOVE_MOUNT, *words)


def restrict(mount: int, flags: int, *, below: bool = True) -> None:
    """Set flags (`READ_ONLY` ...) on a mount and, if asked for, on all below it."""
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    how = _AT_EMPTY_PATH | (_AT_RECURSIVE if below else 0)
    _syscall("mount_setattr", _MOUNT_SETATTR, mount, b"", how, attributes, 32)


def keep_mounts_private() -> None:
    """Let nothing that is mounted from here on be seen outside of this mount namespace."""
    _check(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount --make-rprivate")


def change_root(path: str) -> None:
    """Make a mount the root, and let go of the old one with all that is in it."""
    os.chdir(path)
    _syscall("pivot_root", _PIVOT_ROOT[os.uname().machine], b".", b".")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount /")
    os.chdir("/")
