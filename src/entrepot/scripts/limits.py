"""How much a user's script may take."""

from dataclasses import dataclass

MIB = 1 << 20
#: What a script prints is told this often while it goes, and no oftener.
TELL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one call.

    Parameters
    ----------
    wall
        Seconds from start to end, after which everything that the script started is killed.
    cpu
        Seconds of processor time of each process.
    memory
        Bytes that each process may map beyond what the warm template has, and that all of them and the files in the
        script's folder may use together.
    file
        Bytes of the largest file that may be written.
    disk
        Bytes in the script's own folder, all files together.
    output
        Bytes kept of what is printed: the first and the last halves.
    result
        Bytes of the largest result.
    processes
        Processes and threads at one time.
    organization, organization_memory
        Whose call it is, and the bytes of memory that all calls of this organization may have together; unset: any.
    """

    wall: float = 300
    cpu: int = 300
    memory: int = 2048 * MIB
    file: int = 256 * MIB
    disk: int = 1024 * MIB
    output: int = 64 * 1024
    result: int = 512 * MIB
    processes: int = 32
    organization: str | None = None
    organization_memory: int | None = None
