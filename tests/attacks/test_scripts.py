"""What a hostile script of a user tries, as root's server and as an ordinary user's, with namespaces and without."""

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.scripts import Limits, ScriptError, ScriptRunner, level, sandbox, seccomp, share
from entrepot.scripts.spool import Spool
from tests.support.deadline import eventually
from tests.support.script_worlds import World, opening_python

MIB = 1 << 20
ROOT = os.getuid() == 0
LIBC = ctypes.CDLL(None, use_errno=True)
SYSCALL = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
#: Numbers of x86_64 and aarch64.
NUMBERS = {name: pair[os.uname().machine == "aarch64"] for name, pair in seccomp._CALLS.items()}


FULL = ["root", "ordinary user"]
#: In a container that forbids namespaces.
BARE = ["root without namespaces", "ordinary user without namespaces"]


def start(name: str) -> World:
    return World(ordinary="ordinary" in name, forbidding="without" in name)


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[str, World]]:
    started: dict[str, World] = {}
    yield started
    for world in started.values():
        world.close()


@pytest.fixture(params=FULL + BARE)
def any_world(request: pytest.FixtureRequest, worlds: dict[str, World]) -> World:
    """Each kind of server, whatever its machine lets it do."""
    name = request.param
    if "root" in name and not ROOT:
        pytest.skip("these tests are not run as root")
    if name not in worlds:
        worlds[name] = start(name)
    if "without" not in name and worlds[name].level["name"] != "full":
        pytest.skip(f"this machine has no namespaces for it: {worlds[name].level['missing']}")
    return worlds[name]


@pytest.fixture
def apart(any_world: World) -> World:
    """A server whose calls have cells."""
    return any_world


@pytest.fixture
def bare(any_world: World) -> World:
    """A server whose calls have none."""
    return any_world


apart_only = pytest.mark.parametrize("any_world", FULL, indirect=True)
bare_only = pytest.mark.parametrize("any_world", BARE, indirect=True)


# ------------------------------------------------------------------------------------------------ rights


def test_a_script_has_no_capability(any_world: World) -> None:
    lines = any_world.value(
        "return dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines() if line)"
    )
    held = {name: int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd")}
    if any_world.level["name"] == "none":
        held.pop("CapBnd")  # an ordinary user cannot give up what it never had
    assert set(held.values()) == {0}, held
    assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")


def test_a_root_server_s_scripts_are_somebody_else(any_world: World) -> None:
    first, second = (any_world.value("return [os.getuid(), os.getgid()]") for _ in range(2))
    if "another" in any_world.level["user"]:
        assert 0 not in first
        assert first != second


def handle_of(path: Path) -> bytes:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    if LIBC.name_to_handle_at(-100, os.fsencode(path), handle, ctypes.byref(mount), 0):
        pytest.skip("the file system of this test has no handles")
    return handle.raw


def test_a_handle_opens_no_file_of_the_host(any_world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of another organization")
    body = (
        f"{SYSCALL}handle = ctypes.create_string_buffer(bytes(args[0]))\n"
        "for folder in ('/usr', sys.prefix, sys.base_prefix, '.'):\n"
        "    fd = libc.open_by_handle_at(os.open(folder, os.O_RDONLY), handle, os.O_RDONLY)\n"
        "    if fd >= 0: return os.read(fd, 100).decode()\n"
        "return ctypes.get_errno()"
    )
    assert any_world.value(body, list(handle_of(secret))) == errno.EPERM


@apart_only
def test_nothing_of_the_server_is_read(apart: World, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "secret.key").write_text("key")
    for path in (data, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)
    body = (
        "found = []\n"
        "whats = ('environ', 'maps', 'root/etc/passwd')\n"
        "for path in args[0] + [f'/proc/{n}/{what}' for n in [1, *args[1]] for what in whats]:\n"
        "    try: found.append(open(path, 'rb').read(50).decode(errors='replace'))\n"
        "    except OSError: pass\n"
        "return [found, dict(os.environ)]"
    )
    paths = [str(data / "secret.key"), "/etc/shadow", "/etc/passwd", "/root/.bashrc", "/proc/1/cwd/etc/hosts"]
    found, environment = apart.value(body, paths, [os.getpid(), apart.process.pid, apart.level["template"]])
    assert found == []
    assert "secret" not in str(environment)


def test_a_folder_within_what_is_shown_can_be_hidden(tmp_path: Path) -> None:
    if not sandbox.available():
        pytest.skip("calls cannot have cells here")
    hidden = Path(os.__file__).parent / "wsgiref"
    with ScriptRunner(data_dir=hidden) as runner:
        body = "import os\ndef f(path): return os.listdir(path)"
        assert runner.call(body, "f", [str(hidden)], expects="json").value == []


def test_shadow_is_not_read(any_world: World) -> None:
    assert any_world.call("return open('/etc/shadow').read()").get("kind") == "raised"


def test_a_program_with_the_setuid_bit_gives_nothing(any_world: World) -> None:
    body = (
        "import subprocess\n"
        "ids = subprocess.run(['su', '-c', 'id -u'], stdin=subprocess.DEVNULL, capture_output=True, text=True)\n"
        "return [ids.returncode, ids.stdout, bool(os.statvfs('/usr').f_flag & os.ST_NOSUID)]"
    )
    code, said, _ = any_world.value(body)
    assert code != 0
    assert "0" not in said
    if any_world.level["name"] == "full":
        assert any_world.value(body)[2]


# ------------------------------------------------------------------------------------------------ the kernel


@pytest.mark.parametrize(
    "name",
    ["unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "fsopen", "open_tree", "move_mount", "ptrace",
     "process_vm_readv", "process_vm_writev", "pidfd_getfd", "bpf", "keyctl", "add_key", "userfaultfd",
     "io_uring_setup", "perf_event_open", "name_to_handle_at", "memfd_secret", "shmget", "reboot"],
)  # fmt: skip
@bare_only
def test_calls_that_no_script_needs_are_refused(bare: World, name: str) -> None:
    first = 1 if name == "userfaultfd" else 0  # of its user's memory alone, which the kernel would allow
    body = (
        f"{SYSCALL}result = libc.syscall({NUMBERS[name]}, {first}, 0, 0, 0, 0, 0)\nreturn [result, ctypes.get_errno()]"
    )
    assert bare.value(body) == [-1, errno.EPERM]


def test_no_user_namespace_is_made_within(any_world: World) -> None:
    body = (
        f"{SYSCALL}"
        "results = []\n"
        "for flags in (0x10000000, 0x20000000, 0x40000000, 0x20000):\n"
        "    results.append([libc.unshare(flags), ctypes.get_errno()])\n"
        "    results.append([libc.syscall(args[0], flags | 17, 0, 0, 0, 0), ctypes.get_errno()])\n"
        "results.append([libc.syscall(435, 0, 0), ctypes.get_errno()])\n"
        "return results"
    )
    clone = 220 if os.uname().machine == "aarch64" else 56
    assert any_world.value(body, clone) == [[-1, errno.EPERM]] * 8 + [[-1, errno.ENOSYS]]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are ways of x86")
def test_the_filter_is_not_passed_by_another_way_of_calling(any_world: World) -> None:
    body = f"{SYSCALL}return [libc.syscall(0x40000000 | 272, 0x10000000), ctypes.get_errno()]"
    assert any_world.value(body) == [-1, errno.ENOSYS]
    # mov eax, 310 (unshare of i386); mov ebx, CLONE_NEWUSER; int 0x80; ret
    code = "53b836010000bb00000010cd805bc3"
    body = (
        "import ctypes, mmap\n"
        "page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n"
        f"page.write(bytes.fromhex('{code}'))\n"
        "return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()"
    )
    assert any_world.call(body).get("kind") == "killed"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_says_what_it_lists(machine: str) -> None:
    def verdict(number: int, *arguments: int, architecture: int = seccomp._ARCHITECTURES[machine][1]) -> int:
        words = [struct.unpack("=HBBI", word) for word in seccomp.program(machine, network=False)]
        low = {0: number, 4: architecture} | {16 + 8 * n: value for n, value in enumerate(arguments)}
        position = held = 0
        while True:
            code, yes, no, value = words[position]
            position += 1
            if code == 0x06:
                return value
            if code == 0x20:
                held = low.get(value, 0)
            else:
                truth = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
                position += yes if truth else no

    column = seccomp._ARCHITECTURES[machine][0]
    refused = {pair[column] for pair in seccomp._CALLS.values()} - {None}
    refused |= {pair[column] for pair in seccomp._ABSENT.values()}
    special = {pair[column] for pair in (seccomp._CLONE, seccomp._IOCTL, seccomp._SOCKET, seccomp._SOCKETPAIR)}
    for number in range(480):
        if number not in special:
            assert (verdict(number) != seccomp._ALLOW) == (number in refused), number
    allowed: list[tuple[Any, ...]] = [(seccomp._CLONE, 17), (seccomp._SOCKET, 1), (seccomp._IOCTL, 1, 0x5401)]
    assert {verdict(pair[column], *rest) for pair, *rest in allowed} == {seccomp._ALLOW}
    denied: list[tuple[Any, ...]] = [(seccomp._CLONE, 0x10000011), (seccomp._SOCKET, 40), (seccomp._SOCKET, 2)]
    denied.append((seccomp._IOCTL, 0, 0x5412))
    assert seccomp._ALLOW not in {verdict(pair[column], *rest) for pair, *rest in denied}
    assert verdict(0, architecture=0x40000003) == seccomp._KILL


def test_the_network_is_refused(any_world: World) -> None:
    body = (
        "import socket\n"
        "results = []\n"
        "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, 38, 40):\n"
        "    try: socket.socket(family, socket.SOCK_DGRAM); results.append('made')\n"
        "    except OSError as error: results.append(error.errno)\n"
        "return results + [name for _, name in socket.if_nameindex()]"
    )
    results = any_world.value(body)
    assert results[:5] == [errno.EACCES] * 5
    if any_world.level["name"] == "full":
        assert results[5:] == ["lo"]


# ------------------------------------------------------------------------------------------------ other calls

WAITING = (
    "secret = 'another ' + 'call'.upper()\n"
    "open('mine', 'w').write(secret)\n"
    "print('begun', flush=True)\n"
    "deadline = time.monotonic() + 15\n"
    "while time.monotonic() < deadline and not os.path.exists('stop'): time.sleep(0.02)\n"
    "return [secret, os.listdir(), open('mine').read()]"
)


@apart_only
def test_a_call_sees_and_ends_no_other_call(apart: World) -> None:
    results: list[dict[str, Any]] = []
    other = threading.Thread(target=lambda: results.append(apart.call(WAITING, wall=1.5)))
    other.start()
    body = (
        "import signal\n"
        "found, killed = [], []\n"
        "for name in os.listdir('/proc'):\n"
        "    if name.isdigit() and int(name) not in (1, os.getpid()): found.append(name)\n"
        "for pid in [0, 1, -1, *range(3, 400)]:\n"
        "    if pid in (0, -1): signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    try:\n"
        "        os.kill(pid, signal.SIGTERM if pid in (0, -1) else signal.SIGKILL)\n"
        "        if pid > 1: killed.append(pid)\n"
        "    except OSError: pass\n"
        "near = []\n"
        "for folder, _, names in os.walk(os.path.dirname(os.getcwd())): near += names\n"
        "for pid in (1, os.getppid()):\n"
        "    try: near.append(str(open(f'/proc/{pid}/mem', 'rb')))\n"
        "    except OSError: pass\n"
        "try: near += os.listdir('/call/0') if os.getcwd() != '/call/0' else []\n"
        "except OSError: pass\n"
        "return [found, killed, near, os.getpid(), os.getppid()]"
    )
    assert [apart.value(body) for _ in range(3)] == [[[], [], [], 2, 0]] * 3
    other.join()
    assert results[0]["kind"] == "timeout", results  # it ran until its own end, and nobody's else
    assert apart.value("return 'well'") == "well"


def test_no_other_may_trace_a_call(any_world: World) -> None:
    assert any_world.value(f"{SYSCALL}return libc.prctl(3, 0, 0, 0, 0)") == 0  # PR_GET_DUMPABLE


BESIDE = (
    "def children(pid):\n"
    "    try: return open(f'/proc/{pid}/task/{pid}/children').read().split()\n"
    "    except OSError: return []\n"
    "def beside():\n"
    "    calls = [call for supervisor in children(args[0]) for call in children(supervisor)]\n"
    "    return [call for call in calls if int(call) != os.getpid()]\n"
    "def wait(until):\n"
    "    deadline = time.monotonic() + 15\n"
    "    while bool(beside()) != until and time.monotonic() < deadline: time.sleep(0.01)\n"
    "wait(True)\n"
)


@bare_only
def test_the_memory_of_a_call_beside_cannot_be_read(bare: World) -> None:
    template = bare.level["template"]
    waiting = threading.Thread(target=lambda: bare.value(f"{BESIDE}wait(False)", template))
    waiting.start()
    body = (
        f"{BESIDE}"
        "others, found = beside(), []\n"
        "for pid in [*others, *children(args[0]), args[0]]:\n"
        "    try: open(f'/proc/{pid}/mem', 'rb'); found.append(pid)\n"
        "    except OSError: pass\n"
        "return [len(others), found]"
    )
    assert bare.value(body, template) == [1, []]
    waiting.join()


# ------------------------------------------------------------------------------------------------ limits


def test_memory_without_a_mapping_is_refused(any_world: World) -> None:
    body = "fds = [os.memfd_create(str(n)) for n in range(4)]\nfor fd in fds: os.write(fd, bytes(50 << 20))"
    answer = any_world.call(body, memory=128 * MIB)
    assert (answer.get("kind"), "OSError" in answer.get("message", "")) == ("raised", True), answer


def test_shared_memory_counts(any_world: World) -> None:
    body = "import mmap\nshared = mmap.mmap(-1, 300 << 20)\nshared.write(bytes(300 << 20))"
    answer = any_world.call(body, memory=128 * MIB)
    assert answer["kind"] in ("raised", "memory"), answer
    body = (
        "import mmap\n"
        "for _ in range(6):\n"
        "    if not os.fork():\n"
        "        shared = mmap.mmap(-1, 80 << 20)\n"
        "        for n in range(80): shared.write(b'x' * (1 << 20))\n"
        "        time.sleep(15)\n"
        "time.sleep(15)"
    )
    assert any_world.call(body, memory=128 * MIB).get("kind") == "memory"


@apart_only
def test_files_count_as_the_memory_that_they_are(apart: World) -> None:
    body = (
        "x = bytearray(os.urandom(1 << 20)) * 90\n"
        "for n in range(9): open(str(n), 'wb').write(bytes(9 << 20))\n"
        "time.sleep(10)\nreturn 'kept'"
    )
    assert apart.call(body, memory=128 * MIB).get("kind") == "memory"


@pytest.mark.parametrize(
    "body",
    [
        (
            "held = []\n"
            "for n in range(20):\n"
            "    held.append(open('a', 'wb', 0)); os.unlink('a')\n"
            "    held[-1].write(b'x' * (2 << 20))\n"
            "return sum(os.fstat(f.fileno()).st_blocks * 512 for f in held)"
        ),
        (
            "for n in range(10):\n"
            "    os.posix_fallocate(os.open(str(n), os.O_CREAT | os.O_RDWR), 0, 4 << 20)\n"
            "return sum(os.stat(str(n)).st_blocks * 512 for n in range(10))"
        ),
        "for n in range(200_000): os.mkdir(f'd{n}')\nreturn 'made'",
    ],
    ids=["unlinked", "preallocated", "names"],
)
@apart_only
def test_disk_counts_whatever_became_of_the_names(apart: World, body: str) -> None:
    answer = apart.call(body, disk=8 * MIB, file=4 * MIB)
    assert "value" not in answer, answer
    assert answer["kind"] == "output" or "No space left" in answer["message"], answer


def test_an_organization_has_its_memory_and_no_more(tmp_path: Path) -> None:
    one = Limits(wall=0.3, memory=512 * MIB, organization="one", organization_memory=1024 * MIB)
    other = Limits(wall=0.3, memory=512 * MIB, organization="other", organization_memory=1024 * MIB)
    with share.reserved(tmp_path, one, None), share.reserved(tmp_path, one, None):
        with (
            pytest.raises(ScriptError, match="script_organization_memory_bytes") as caught,
            share.reserved(tmp_path, one, None),
        ):
            pytest.fail("a third has no room")
        assert caught.value.kind == "memory"
        with share.reserved(tmp_path, other, None):
            pass
        with pytest.raises(ScriptError) as caught, share.reserved(tmp_path, one, lambda: True):
            pytest.fail("this was cancelled")
        assert caught.value.kind == "cancelled"
    with share.reserved(tmp_path, one, None):
        pass


def test_a_call_waits_for_the_memory_of_its_organization(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Limits(wall=60, memory=900 * MIB, organization="one", organization_memory=1024 * MIB)
    order: list[str] = []
    take = share._take

    def watched(path: Path, units: int, wanted: int) -> int | None:
        held = take(path, units, wanted)
        if held is None and "refused" not in order:
            order.append("refused")
        return held

    def second() -> None:
        with share.reserved(tmp_path, waiting, None):
            order.append("second")

    monkeypatch.setattr(share, "_take", watched)
    with share.reserved(tmp_path, waiting, None):
        thread = threading.Thread(target=second)
        thread.start()
        eventually(lambda: order)
        order.append("first")
    thread.join()
    assert order == ["refused", "first", "second"]


# ------------------------------------------------------------------------------------------------ what is left


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@apart_only
def test_fifty_calls_leave_nothing(apart: World) -> None:
    template = apart.level["template"]

    def state() -> tuple[list[str], str, int]:
        mounts = Path(f"/proc/{template}/mountinfo").read_text()
        return children(template), mounts, len(list(Path(f"/proc/{apart.process.pid}/fd").iterdir()))

    apart.value("return 1")
    eventually(lambda: not children(template))
    before = state()
    for _ in range(50 if "another" in apart.level["user"] else 10):
        assert apart.value("open('left', 'w').write('x'); os.fork(); return os.listdir()") == ["left"]
    eventually(lambda: state() == before)


def test_a_killed_server_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    if not sandbox.available():
        pytest.skip("calls cannot have cells here")
    world = World(ordinary=False, forbidding=False, temporary=tmp_path)
    template = world.level["template"]
    world.send("time.sleep(60)")
    eventually(lambda: children(template))
    below = children(template)
    world.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (template, *below)))
    assert list(tmp_path.iterdir()) == []


def test_a_spool_without_its_server_goes_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    alive = Spool(tmp_path / "run")
    left = alive.path.parent / "entrepot-calls-0123"
    (left / "7").mkdir(parents=True)
    later = Spool(tmp_path / "run")
    assert not left.exists()
    assert alive.path.exists()
    later.close()
    alive.close()
    assert not alive.path.exists()


def test_calls_need_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sandbox.available():
        pytest.skip("calls cannot have cells here")

    def missing() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", missing)
    limits = Limits(organization="one", organization_memory=4096 * MIB)
    with ScriptRunner(data_dir=tmp_path) as runner:
        done = runner.call("def f(): return open('a', 'w').write('x')", "f", [], expects="json", limits=limits)
    assert done.value == 1


def test_calls_go_on_when_their_spool_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, real = opening_python(), sandbox.command
    monkeypatch.setattr(sandbox, "command", lambda *args, **options: [*prefix, *real(*args, **options)])
    with ScriptRunner(sandboxed=False) as runner:
        runner.start()
        assert runner._here._spool is not None
        runner._here._spool.path.rmdir()
        assert runner.call("def f(): return open('a', 'w').write('x')", "f", [], expects="json").value == 1


# ------------------------------------------------------------------------------------------------ what is said


def test_each_level_is_said(any_world: World) -> None:
    name, missing = any_world.level["name"], any_world.level["missing"]
    if missing:
        assert name == ("partial" if "another" in any_world.level["user"] else "none")
        assert "namespaces of its own for each call: unshare: Operation not permitted" in missing[0]
    else:
        assert name == "full"
    assert level(wanted=False).name == ("partial" if ROOT else "none")
