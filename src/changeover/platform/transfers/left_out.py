"""What a restore leaves out of an archive, in words. Names only, because values of settings can be secrets. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

from changeover.platform.transfers.archive import DISPENSABLE, HARMLESS, Contents, Present, changes_trigger_of_key
from changeover.postgres.emptying import RESERVED_SCHEMAS
from changeover.postgres.extension_members import Member, added_by_hand
from changeover.postgres.toc import TocEntry

NAME: Final = r'(?:"(?:[^"]|"")+"|[^\s";]+)'
SETTING: Final = re.compile(
    rf"^ALTER (?:DATABASE|ROLE (?P<role>{NAME}) IN DATABASE) {NAME} SET (?P<setting>{NAME}) TO ", re.MULTILINE
)
LIMIT: Final = re.compile(rf"^ALTER DATABASE {NAME} CONNECTION LIMIT = ", re.MULTILINE)
NEEDING_A_SUPERUSER: Final = {"EVENT TRIGGER": "event trigger", "SUBSCRIPTION": "subscription"}
SUPERUSERS_ALONE: Final = {"ACCESS METHOD", "FOREIGN DATA WRAPPER", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURAL LANGUAGE",
                           "SHELL TYPE", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE"}  # fmt: skip
MOST_NAMES: Final = 5


def members_left_out(source: Collection[Member], target: Collection[Member]) -> list[str]:
    """Not listed in archives, so both databases are compared."""
    return _counted("member of an extension, added by hand", [member for _, member in added_by_hand(source, target)])


def views_left_out(views: Collection[tuple[str, str]]) -> list[str]:
    """What our dumps leave out because it could not be restored."""
    names = [".".join(name) for name in views]
    return [f"{one}: reading itself, or a view that does" for one in _counted("view", names)]


def left_out(contents: Contents, present: Present) -> list[str]:
    """What the archive lists and the database lacks afterwards, except for owners and rights of its objects."""
    lines = [*_of_the_database(contents.entries)]
    for kind, words in NEEDING_A_SUPERUSER.items():
        lines += _counted(words, [one.name for one in contents.entries if one.kind == kind])
    enabled = [one.name.rpartition(" ")[0] for one in contents.entries if changes_trigger_of_key(one)]
    lines += _counted("disabled trigger of a foreign key", enabled)
    lacking = [name for name in contents.extensions if name in DISPENSABLE and name not in present.extensions]
    return lines + _counted("extension", lacking)


def out_of_reach(contents: Contents, *, refused: Collection[str], is_superuser: bool) -> str:
    """What can't be restored because the target's role can't create it or what it needs. Empty if everything can.

    `refused` are extensions that the role may not create.
    """
    kinds = set[str]() if is_superuser else SUPERUSERS_ALONE
    needing = defaultdict[int, list[TocEntry]](list)
    for entry in contents.entries:
        for number in entry.depends:
            needing[number].append(entry)
    found = {
        one.number: one
        for one in contents.wanted(Present())
        if one.kind in kinds or (one.kind == "EXTENSION" and one.name in refused)
    }
    causes, waiting = list(found.values()), list(found)
    while waiting:
        for one in needing[waiting.pop()]:
            if one.number not in found:
                found[one.number] = one
                waiting.append(one.number)
    lost = [one for one in found.values() if one.kind not in HARMLESS]
    if not lost:
        return ""
    return f"{_entries(causes)}, which affects {_entries(lost)}"


def _entries(entries: Iterable[TocEntry]) -> str:
    return _listed(f"{one.kind} {one.schema}.{one.name}" if one.schema else f"{one.kind} {one.name}" for one in entries)


def rights_left_out(contents: Contents) -> str:
    """In words. Empty if the archive has no grants and limits. Leaves out our own objects."""
    granted = {
        (one.schema, one.name)
        for one in contents.entries
        if one.kind == "ACL" and one.schema not in RESERVED_SCHEMAS and not _is_about_rights_on_database(one)
    }
    defaults = sum(one.kind == "DEFAULT ACL" for one in contents.entries)
    parts = [
        f"the rights of {_number(len(granted), 'object')}" if granted else "",
        _number(defaults, "default right") if defaults else "",
        "the rights on the database" if any(map(_is_about_rights_on_database, contents.entries)) else "",
        "its connection limit" if any(map(_limits_connections, contents.entries)) else "",
    ]
    return ", ".join(filter(None, parts))


def _is_about_rights_on_database(entry: TocEntry) -> bool:
    return entry.kind == "ACL" and entry.name.startswith("DATABASE ")


def _limits_connections(entry: TocEntry) -> bool:
    return entry.kind == "DATABASE PROPERTIES" and LIMIT.search(entry.definition.decode(errors="replace")) is not None


def _of_the_database(entries: Iterable[TocEntry]) -> Iterable[str]:
    """Settings of the database and of roles in it, and its comment."""
    settings, roles = dict[str, None](), dict[str, None]()
    for entry in entries:
        if entry.kind == "COMMENT" and entry.name.startswith("DATABASE "):
            yield "the comment of the database"
        if entry.kind == "DATABASE PROPERTIES":
            for found in SETTING.finditer(entry.definition.decode(errors="replace")):
                if found["role"]:
                    roles[found["role"]] = None
                else:
                    settings[found["setting"]] = None
    if settings:
        yield f"settings of the database ({_listed(settings)})"
    if roles:
        yield f"settings of roles in the database ({_listed(roles)})"


def _counted(words: str, names: list[str]) -> list[str]:
    return [f"{_number(len(names), words)} ({_listed(names)})"] if names else []


def _number(count: int, words: str) -> str:
    first, _, rest = words.partition(" of ")
    plural = f"{first}s of {rest}" if rest else f"{words}s"
    return f"{count} {words if count == 1 else plural}"


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f", and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return ", ".join(found[:MOST_NAMES]) + more
