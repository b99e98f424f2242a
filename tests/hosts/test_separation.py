"""As root, programs that read what other servers send run as a user without any way to servers or the state."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from changeover.hosts.ownership import give, open_within, read_within
from changeover.hosts.programs import as_user, owner_ids, run_program
from changeover.hosts.users import CLIENT_USER, SYSTEM_USERS, ensure_system_users, run_as_for_clients

NOT_ITS_OWN = r"not a file of its own|Is a directory"
needs_root = run_as_for_clients() is not None


@pytest.fixture
async def users() -> None:
    await ensure_system_users()


@pytest.mark.usefixtures("users")
async def test_no_system_user_of_ours_enters_what_belongs_to_another(tmp_path: Path) -> None:
    """Data directories and folders of sockets have mode 0700 and belong to one of them."""
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents:
        if parent.owner() != "root":
            break
        parent.chmod(parent.stat().st_mode | 0o011)
    users = SYSTEM_USERS if needs_root else ()
    for user in users:
        folder = tmp_path / user
        folder.mkdir(mode=0o700)
        os.chown(folder, *owner_ids(user))
    entered = {
        (user, other)
        for user in users
        for other in users
        if (await run_program(["/bin/ls", tmp_path / other], run_as=user)).code == 0
    }
    assert entered == {(user, user) for user in users}


@pytest.mark.usefixtures("users")
def test_a_folder_changes_its_owner_but_nothing_that_it_leads_to(tmp_path: Path) -> None:
    me = Path("/proc/self").owner()
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "deeper").mkdir(parents=True)
    (inside / "deeper" / "file").write_text("x")
    outside.write_text("y")
    (inside / "link").symlink_to(outside)
    (inside / "hard").hardlink_to(outside)
    to = CLIENT_USER if needs_root else me
    assert give(inside, of=me, to=to)
    assert outside.owner() == me
    assert {path.owner() for path in (inside, inside / "deeper", inside / "deeper" / "file")} == {to}
    assert give(inside, of=me, to=to) is not needs_root


@pytest.mark.parametrize("how", ["symbolic link", "hard link", "pipe", "folder"])
def test_a_file_of_a_folder_that_others_write_to_is_never_one_elsewhere(tmp_path: Path, how: str) -> None:
    secret, file = tmp_path / "secret", tmp_path / "work" / "log"
    secret.write_text("secret")
    file.parent.mkdir()
    match how:
        case "symbolic link":
            file.symlink_to(secret)
        case "hard link":
            file.hardlink_to(secret)
        case "pipe":
            os.mkfifo(file)
        case _:
            file.mkdir()
    with pytest.raises(OSError, match=NOT_ITS_OWN):
        read_within(file.parent, "log")
    with pytest.raises(OSError, match=NOT_ITS_OWN):
        open_within(file.parent, "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    assert secret.read_text() == "secret"


def test_a_file_that_is_made_there_is_for_us_alone(tmp_path: Path) -> None:
    with open_within(tmp_path, "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
        file.write(b"x")
    assert read_within(tmp_path, "log") == b"x"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


@pytest.mark.usefixtures("users")
async def test_a_program_that_an_event_loop_starts_becomes_another_user_for_good() -> None:
    said = await run_program(
        [*as_user(run_as_for_clients()), "/usr/bin/env", "LC_ALL=C", "/bin/sh", "-c", "id -un; id -G"]
    )
    name = run_as_for_clients() or Path("/proc/self").owner()
    assert said.output.split()[0] == name
    if needs_root:
        assert said.output.split()[1:] == [str(owner_ids(name)[1])]
