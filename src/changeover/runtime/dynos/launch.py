"""Launches a dyno: reads its sheet, opens its log, gives up root, executes its command, and holds it together (holding.py).

Runs without our packages, as `python -I -S launch.py SHEET`. It stays as the command's parent and returns its exit code. For a
one-off it also writes the exit code to a file, so no other process has to be running at that time.
"""

# ruff: noqa: PTH101, PTH102, PTH103, PTH105, PTH108, PTH112, PTH115, PTH120, PTH208, S103, S108
# (pathlib would take longer to import than everything else here)
from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import resource
import signal
import struct
import sys
import termios
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from changeover.runtime.dynos.holding import hold
else:
    sys.path.insert(0, os.path.dirname(__file__))
    from holding import hold

    del sys.path[0]

PATIENCE_S = 3.0
LOOK_AGAIN_S = 0.01
CANNOT_START = 126
SHELL = "/bin/bash"
USER = "dyno"
SHARED = ("/tmp/", "/var/tmp/")
MOST_THREADS = 4096
NO_NEW_PRIVILEGES, NEW_MOUNTS = 38, 0x20000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
NO_PROGRAMS = MS_NOSUID | MS_NODEV | MS_NOEXEC
"""Constants of prctl(2), unshare(2) and mount(2)."""
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def main(path: str) -> NoReturn:
    with open(path, encoding="utf-8") as file:
        sheet = json.load(file)
    if sheet.get("is_attached"):
        os.unlink(path)
        sys.exit(_hold(sheet))
    _read_environment(sheet)
    _connect_to_log(sheet)
    _end_remains(sheet["mark"])
    code = _hold(sheet)
    if "exit" in sheet:
        _tell_end(sheet, code)
    sys.exit(code)


def _hold(sheet: dict[str, Any]) -> int:
    user = _user_of(sheet)
    return hold(
        lambda: _start_command(sheet),
        lambda: _give_up_root(user),
        wants_namespace=isinstance(user, int),
        keeps_streams=not sheet.get("is_attached"),
    )


def _read_environment(sheet: dict[str, Any]) -> None:
    """A one-off's environment is in a separate file, which is then removed."""
    if "environment_file" in sheet:
        with open(sheet["environment_file"], encoding="utf-8") as file:
            sheet["environment"] = json.load(file)
        os.unlink(sheet["environment_file"])


# -- its log


def _connect_to_log(sheet: dict[str, Any]) -> None:
    """Standard output and error go to the pipe. Standard input is empty.

    We also hold the reading end. While the log keeper is away, no process gets SIGPIPE, and output stays in the pipe.
    """
    _wait_for_reader(sheet["pipe"], sheet["poke"])
    pipe = os.open(sheet["pipe"], os.O_RDWR)
    os.dup2(pipe, 1)
    os.dup2(pipe, 2)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.close(pipe)


def _wait_for_reader(pipe: str, poke: str) -> None:
    """Wait until the log keeper has opened the pipe, so that no output is lost even if the dyno ends quickly. Gives up soon."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        _poke(poke)
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        else:
            return
        time.sleep(LOOK_AGAIN_S)


def _poke(path: str) -> None:
    try:
        poke = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):  # no keeper: it scans when it starts
            return
        raise
    try:
        os.write(poke, b"!")
    except BlockingIOError:
        pass  # the pipe is full, so it will wake anyway
    finally:
        os.close(poke)


# -- leftovers of an earlier process


def _end_remains(mark: str) -> None:
    """Kill what the previous process of this dyno left, which may hold its port.

    A holder whose launcher was killed is already ending its processes, and gets a moment for that.
    """
    wanted = f"CHANGEOVER_DYNO={mark}".encode()
    deadline = time.monotonic() + PATIENCE_S
    while found := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_remains(pid, wanted)]:
        if time.monotonic() > deadline + PATIENCE_S:
            return
        holders = [pid for pid in found if _arguments(pid) == _arguments(os.getpid())]
        for pid in found:
            if pid not in holders or time.monotonic() > deadline:
                _kill(pid, wanted)
        time.sleep(LOOK_AGAIN_S)


def _is_remains(pid: int, wanted: bytes) -> bool:
    return pid != os.getpid() and _carries(pid, wanted)


def _arguments(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _carries(pid: int, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def _kill(pid: int, wanted: bytes) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _carries(pid, wanted):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


# -- the command


def _note_start(sheet: dict[str, Any]) -> None:
    """Some programs overwrite their environment with our mark. These two numbers still identify the process.

    The pid is the host's. In a PID namespace, the command itself sees another one.
    """
    with open("/proc/self/stat", encoding="utf-8") as file:
        before_name, _, after_name = file.read().rpartition(")")
    _write_whole(sheet["started"], f"{before_name.split()[0]} {after_name.split()[19]}\n")


def _start_command(sheet: dict[str, Any]) -> NoReturn:
    """A dyno stays in its launcher's process group, which supervisord signals. A one-off has its own group or terminal."""
    if sheet.get("is_tty"):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    elif "exit" in sheet:
        os.setpgid(0, 0)
    if not sheet.get("is_attached"):
        _note_start(sheet)
    _become(sheet)


def _become(sheet: dict[str, Any]) -> NoReturn:
    """The command is shell code written by its author. It is passed as a single argument, and nothing is added to it."""
    try:
        _separate(sheet)
        _give_up_root(_user_of(sheet))
        os.umask(0o077)
        os.chdir(sheet["directory"])
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        os.execve(SHELL, [SHELL, "-c", sheet["command"]], sheet["environment"])  # noqa: S606
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        os.write(2, f"The command could not be started:{where}: {error.strerror}\n".encode())
        os._exit(CANNOT_START)


def _user_of(sheet: dict[str, Any]) -> int | str | None:
    user: int | str | None = sheet["uid"] if "uid" in sheet else sheet["user"]
    return user


def _give_up_root(user: int | str | None) -> None:
    """To the app's own uid. Sheets of older versions, and hosts without these uids, have the name of a shared user."""
    if user is None:
        return
    uid, gid = (user, user) if isinstance(user, int) else pwd.getpwnam(user)[2:4]
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


# -- isolation


def _separate(sheet: dict[str, Any]) -> None:
    """Its own /tmp, a name for its user, and no view of other users' processes. Without root only its own TMPDIR.

    If the kernel forbids mounts, as in many containers, the rest still applies: files and processes belong to the app's user.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o022)
    if "uid" not in sheet:  # an older version's sheet
        return
    user, tmp = sheet["uid"], _fresh_tmp(sheet)
    if not isinstance(user, int):
        sheet["environment"].setdefault("TMPDIR", tmp)
        return
    resource.setrlimit(resource.RLIMIT_NPROC, (MOST_THREADS, MOST_THREADS))
    import ctypes  # noqa: PLC0415 - it takes as long to load as everything else

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    sheet["environment"] = {"USER": USER, "LOGNAME": USER, **sheet["environment"]}
    if libc.unshare(NEW_MOUNTS) != 0:
        sheet["environment"].setdefault("TMPDIR", tmp)
        return
    _mount(libc, "none", "/", MS_REC | MS_PRIVATE)
    _hide_shared_folders(libc, sheet, tmp)
    for name, line in (
        ("passwd", f"{USER}:x:{user}:{user}::{sheet['written']}/home:{SHELL}"),
        ("group", f"{USER}:x:{user}:"),
    ):
        _add_line(libc, f"/etc/{name}", f"{sheet['written']}/{name}", line)
    _try_mount(libc, "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, kind="tmpfs", data="mode=1777,size=64m")
    if _try_mount(libc, "proc", "/proc", NO_PROGRAMS, kind="proc", data="hidepid=2") != 0:
        _try_mount(libc, "proc", "/proc", NO_PROGRAMS, kind="proc")
    if os.readlink("/proc/self") != str(os.getpid()):
        raise OSError(errno.EPERM, "its own /proc cannot be mounted", "/proc")


def _fresh_tmp(sheet: dict[str, Any]) -> str:
    """Empty at each start. An external program removes the previous one, because it may be deeply nested."""
    written, user = sheet["written"], sheet["uid"]
    old = [f"{written}/{name}" for name in os.listdir(written) if name.startswith("tmp-")]
    if old:
        os.waitpid(os.posix_spawn("/bin/rm", ["rm", "-rf", "--one-file-system", "--", *old], {}), 0)
    tmp = f"{written}/tmp-{os.getpid()}"
    os.mkdir(tmp, 0o700)
    for path in (path for path in sheet["seen"] if isinstance(user, int) and path.startswith(SHARED)):
        for folder in SHARED:
            if path.startswith(folder):
                os.makedirs(tmp + "/" + path.removeprefix(folder), exist_ok=True)
    if user is not None:
        uid, gid = (user, user) if isinstance(user, int) else pwd.getpwnam(user)[2:4]
        os.chown(tmp, uid, gid)
    os.chmod(tmp, 0o1777)
    return tmp


def _hide_shared_folders(libc: Any, sheet: dict[str, Any], tmp: str) -> None:
    """Paths below /tmp that the dyno needs, such as a home there, stay visible."""
    seen = [path for path in sheet["seen"] if path.startswith(SHARED) and os.path.isdir(path)]
    held = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in dict.fromkeys(seen)]
    own = os.open(tmp, os.O_PATH | os.O_DIRECTORY)  # its path may be below a folder that is about to be hidden
    for folder in SHARED:
        _mount(libc, f"/proc/self/fd/{own}", folder.rstrip("/"), MS_BIND)
    os.close(own)
    for path, handle in sorted(held):
        _mount(libc, f"/proc/self/fd/{handle}", path, MS_BIND | MS_REC)
        os.close(handle)


def _add_line(libc: Any, path: str, copy: str, line: str) -> None:
    with open(path, encoding="utf-8") as file:
        text = file.read().rstrip("\n")
    with open(copy, "w", encoding="utf-8") as file:
        file.write(f"{text}\n{line}\n")
    os.chmod(copy, 0o644)
    _mount(libc, copy, path, MS_BIND)


def _mount(libc: Any, source: str, target: str, flags: int) -> None:
    if _try_mount(libc, source, target, flags) != 0:
        import ctypes  # noqa: PLC0415 - loaded by now

        raise OSError(ctypes.get_errno(), f"mount: {os.strerror(ctypes.get_errno())}", target)


def _try_mount(libc: Any, source: str, target: str, flags: int, *, kind: str = "", data: str = "") -> int:
    result: int = libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)
    return result


# -- one-offs


def _tell_end(sheet: dict[str, Any], code: int) -> None:
    """Write its exit code to a file."""
    _end_remains(sheet["mark"])
    _write_whole(sheet["exit"], f"{code}\n")
    _poke(sheet["poke"])
    _wait_until_read()


def _wait_until_read() -> None:
    """A pipe loses its content when its last holder closes it, which is us while the log keeper is away."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        waiting = struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, bytes(4)))[0]
        if waiting == 0:
            return
        time.sleep(LOOK_AGAIN_S)


def _write_whole(path: str, text: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    main(sys.argv[1])
