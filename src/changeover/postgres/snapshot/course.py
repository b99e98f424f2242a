"""The phases of one attempt, from roles to statistics. Skips what the ledger lists as done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from changeover.postgres.clients import clients_for, needs_tls
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.excluding import Excluded
from changeover.postgres.installations import find_installations
from changeover.postgres.snapshot.archive import ABOUT, Archive, Entry, depending, dump_schema, with_needed
from changeover.postgres.snapshot.board import Board, Hands, Task
from changeover.postgres.snapshot.contents import Contents, sequence_names
from changeover.postgres.snapshot.database import bring_comment_of_public, bring_database, read_database
from changeover.postgres.snapshot.elsewhere import Elsewhere
from changeover.postgres.snapshot.figures import table_figures
from changeover.postgres.snapshot.finishing import Rest, analyze_tasks, foreign_key_tasks
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.languages import with_handlers
from changeover.postgres.snapshot.large_objects import bring_large_objects, count_large_objects
from changeover.postgres.snapshot.late import Late, attach, recompute, take_away_checks
from changeover.postgres.snapshot.ledger import Ledger, extensions_before
from changeover.postgres.snapshot.lending import with_right_to_grant, with_right_to_own
from changeover.postgres.snapshot.load import Load, build
from changeover.postgres.snapshot.owners import of_schemas, owned, rights_after_gifts
from changeover.postgres.snapshot.persistence import as_accepted
from changeover.postgres.snapshot.pieces import Cuts, Piece, pieces_of, plan_cuts
from changeover.postgres.snapshot.place import Place
from changeover.postgres.snapshot.public_schema import name_public
from changeover.postgres.snapshot.rewritten import note_cuts
from changeover.postgres.snapshot.roles import Roles, bring_roles
from changeover.postgres.snapshot.schema import LeftOut, make, make_in_rounds, make_leniently, naming
from changeover.postgres.snapshot.sequences import bring_sequences
from changeover.postgres.snapshot.sessions import open_reader, writing
from changeover.postgres.snapshot.settings import bring_settings, read_settings
from changeover.postgres.snapshot.shaping import apply_shaping
from changeover.postgres.snapshot.telling import Telling, replace_json
from changeover.postgres.snapshot.triggers import bring_trigger_states, without_triggers_of_constraints
from changeover.postgres.snapshot.unlike import name_what_is_unlike
from changeover.postgres.snapshot.views import fill_views


@dataclass(frozen=True)
class Encodings:
    """The encodings used in transit. A SQL_ASCII source is assumed to have the target's encoding."""

    dump: str
    reader: str
    writer: str


@dataclass
class Course:
    """The phases of one attempt."""

    place: Place
    target: Connection
    ledger: Ledger
    contents: Contents
    elsewhere: Elsewhere
    encodings: Encodings
    shaping: dict[str, str]
    """Settings of all sessions that build objects on the target."""
    excluded: Excluded = field(default_factory=Excluded)
    roles: Roles = field(default_factory=Roles)
    gifts: list[Entry] = field(default_factory=list)
    """Statements that finally set owners, if the target's role is not a superuser."""
    owners_lost: set[str] = field(default_factory=set)
    """Owners on the source that the target's role can't transfer objects to."""

    @property
    def job(self) -> Job:
        return self.place.job

    @property
    def telling(self) -> Telling:
        return self.place.telling

    async def run(self) -> dict[str, Any]:
        self.roles = await self._roles()
        await apply_shaping(self.target, self.shaping)
        self.telling.enter("schema", "pg_dump")
        archive = await self._dump()
        before, after = with_needed(*[await self._entries(archive, one) for one in ("pre-data", "post-data")])
        rights = [entry for entry in before if entry.kind == "ACL"]
        attached = [entry for entry in before if self._is_attached_late(entry, before)]
        await self._make_schema([entry for entry in before if entry.kind != "ACL" and entry not in attached])
        await take_away_checks(self.target, self.ledger, self.elsewhere.checks)
        late = Late(self.elsewhere, after, self.contents, self.ledger, self.telling)
        built = await self._load([entry for entry in after if entry.number not in late.numbers])
        await self._make_late(late, attached)
        left_out = {one.number for one in late.waiting} | late.numbers
        rest = Rest([one for one in after if one.number not in left_out], built, self.contents)
        await self._finish(rest, rights)
        await self._fill_views(rest, late)
        await self._end(rest)
        report = self._report(before + after)
        replace_json(self.place.work / "report.json", {"mark": self.job.mark, "report": report})
        self.telling.enter("done")
        await self.target.execute("SET synchronous_commit = on")  # the next commit also makes all earlier ones durable
        if self.job.keeps_ledger:
            await self.ledger.note(self.target, "finished", "report", **report)
        else:
            await self.target.execute("DROP SCHEMA _changeover CASCADE")
        return report

    async def _roles(self) -> Roles:
        self.telling.enter("roles")
        if not self.job.keeps_owners:
            return Roles()
        async with self.place.holder.busy:
            source = self.place.holder.connection
            roles = await bring_roles(source, self.target, self.place.target, self.ledger, self.job.skip_roles)
        for note in roles.notes:
            self.telling.note(note)
        return roles

    async def _dump(self) -> Archive:
        place = self.place
        found = find_installations(Path(folder) for folder in self.job.installations)
        target_version = self.target.info.server_version
        clients = clients_for(self.contents.version_num, target_version, found, needs_tls=needs_tls(place.source))
        return await dump_schema(
            clients, place.source.with_(application_name=place.name), snapshot=place.holder.snapshot,
            encoding=self.encodings.dump, skip_schemas=(*self.job.skip_schemas, *self.excluded.schemas),
            skip_tables=self.excluded.tables, file=place.work / "schema.dump",
        )  # fmt: skip

    async def _entries(self, archive: Archive, section: str) -> list[Entry]:
        """The entries to copy, with their owners where the target has them."""
        entries = await archive.entries(section, with_owners=self.job.keeps_owners)
        without = (*self.job.skip_extensions, *self.excluded.extensions)
        brought = [one for one in entries if one.is_brought and not one.is_of_extension(without)]
        async with self.place.holder.busy:
            brought = await without_triggers_of_constraints(self.place.holder.connection, brought)
            brought = await with_handlers(self.place.holder.connection, brought)
            version = self.target.info.server_version
            brought = await as_accepted(self.place.holder.connection, brought, target_version=version)
        brought = self._without_impossible(brought)
        for one in entries:
            if not one.is_brought and one.kind not in ABOUT:
                self.telling.leave(one.label, one.title)
        missing = sorted({one.owner for one in brought if one.owner and one.owner not in self.roles.known})
        if not self.job.keeps_owners or (self.roles.is_superuser and not missing):
            return brought
        about = {*ABOUT, "DEFAULT ACL"}
        lost = {one.owner for one in brought if one.owner in missing and one.kind not in about}
        for owner in sorted(lost - self.owners_lost):
            self.telling.note(
                f"Objects of {owner} on the source belong to the target's own role. Owners and rights are not compared."
            )
        self.owners_lost |= lost
        ownerless = {one.number: one for one in await archive.entries(section, with_owners=False)}
        found = owned(brought, ownerless, self.roles.known, is_superuser=self.roles.is_superuser)
        self.gifts += found.gifts
        return found.entries

    def _without_impossible(self, entries: Sequence[Entry]) -> list[Entry]:
        """Drops views that read themselves, and what depends on them."""
        views = [one for one in entries if one.kind == "VIEW" and one.toc.oid in self.elsewhere.self_reading]
        lost = depending(entries, {one.number for one in views})
        for one in [*views, *(other for other in lost if other.kind not in ABOUT)]:
            why = "It reads itself" if one in views else "It depends on a view that reads itself"
            self.telling.leave(one.label, one.title, f"{why}, so it can't be created with SQL.")
        self.telling.not_brought += [one.title for one in lost if one.kind in ABOUT]
        gone = {one.number for one in (*views, *lost)}
        return [one for one in entries if one.number not in gone]

    async def _make_schema(self, entries: Sequence[Entry]) -> None:
        self.telling.enter("schema", f"{len(entries)} objects", things=len(entries))
        async with self._raw() as target:
            remarks = [
                one
                for one in entries
                if one.kind == "SECURITY LABEL"
                or (one.kind == "COMMENT" and one.name.startswith(("EXTENSION ", "SCHEMA ")))
            ]
            await make_in_rounds(target, self.ledger, [one for one in entries if one not in remarks], "schema")
            theirs = await extensions_before(self.target, self.ledger)
            ours = [one for one in remarks if not one.is_of_extension(theirs)]
            self._tell_left_out(await make_leniently(target, self.ledger, ours, "remarks"))

    def _raw(self) -> Any:
        """A session on the target that takes the dump's bytes unchanged."""
        encoding = self.encodings.writer if self.encodings.dump == "SQL_ASCII" else self.encodings.dump
        return self._session(encoding)

    @asynccontextmanager
    async def _session(self, encoding: str) -> AsyncIterator[Connection]:
        async with writing(self.place.target, self.place.name, encoding=encoding) as session:
            await apply_shaping(session, self.shaping)
            yield session

    async def _load(self, entries: Sequence[Entry]) -> set[int]:
        """Copy all rows and build what depends on one table only. Returns the numbers of those entries."""
        pieces = self._pieces(await self._cuts())
        for tree in sorted({one.tree for one in self.contents.tables if one.tree}, key=lambda tree: tree.place):
            self.telling.note(f"Rows of {tree.quoted} may be in different partitions than on the source.")
        load = Load(self.contents, pieces, entries, self.ledger, self.telling, late=self.elsewhere.tables)
        self.telling.enter("copy", f"{len(pieces)} tables and ranges", things=load.count)
        await self._work_off([*load.tasks(), *await self._large_objects()])
        await self._work_off(load.late_tasks())
        return load.built_entries()

    def _is_attached_late(self, entry: Entry, entries: Sequence[Entry]) -> bool:
        """Whether it is a partition whose bounds depend on a function's result."""
        if entry.kind != "TABLE ATTACH" or not self.elsewhere.partitioned:
            return False
        parents = {one.number for one in entries if one.toc.oid in self.elsewhere.partitioned and one.kind == "TABLE"}
        return bool(parents.intersection(entry.toc.depends))

    async def _make_late(self, late: Late, attached: Sequence[Entry]) -> None:
        if not self.elsewhere:
            return
        await self._sequences()
        self.telling.enter("functions", "what may read other tables")
        async with self._raw() as raw:
            await attach(raw, self.ledger, attached)
            await recompute(self.target, self.elsewhere.generated, self.telling)
            await late.make(self.target, raw, is_last=False)

    async def _finish_late(self, late: Late) -> None:
        """Create what needed materialized views, and what depends on that."""
        if not self.elsewhere:
            return
        self.telling.enter("functions", "what reads materialized views")
        async with self._raw() as raw:
            await late.make(self.target, raw, is_last=True)
            waiting = late.waiting
            await make(raw, self.ledger, [one for one in waiting if one.kind not in ABOUT], "after views")
            about = [one for one in waiting if one.kind in ABOUT]
            self._tell_left_out(await make_leniently(raw, self.ledger, about, "remarks after views"))

    def _pieces(self, cuts: Cuts) -> list[Piece]:
        return pieces_of(self.contents.tables, cuts)

    async def _cuts(self) -> Cuts:
        if (kept := self.ledger.of("plan").get("cuts")) is not None:
            return kept
        job = self.job
        cuts = plan_cuts(
            self.contents.tables, version_num=self.contents.version_num, connections=job.connections,
            range_bytes=job.range_bytes,
        )  # fmt: skip
        async with self.place.holder.busy:
            await note_cuts(self.place.holder.connection, self.target, self.ledger, self.contents.tables, cuts)
        return cuts

    async def _large_objects(self) -> list[Task]:
        async with self.place.holder.busy:
            count = await count_large_objects(self.place.holder.connection)
        if not count:
            return []
        owners = self.roles.known if self.job.keeps_owners else None

        async def run(hands: Hands) -> None:
            self.telling.says = f"{count} large objects"
            with naming("One of the large objects"):
                await bring_large_objects(
                    await hands.reader(), await hands.target(), self.ledger, owners, self.telling.note
                )

        return [Task("large objects", run)]

    async def _finish(self, rest: Rest, rights: Sequence[Entry]) -> None:
        self.telling.enter("keys", things=len(rest.foreign_keys))
        async with self._raw() as target:
            await make(target, self.ledger, rest.before_keys, "before keys")
        await self._work_off(foreign_key_tasks(rest.foreign_keys, self.contents, self.ledger, self.telling))
        self.telling.enter("rights", things=len(rights))
        async with self._raw() as target:
            await make(target, self.ledger, rest.after_keys, "after keys")
            async with self.place.holder.busy:
                await bring_trigger_states(
                    self.place.holder.connection, self.target, self.excluded, self.job.skip_schemas, self.telling.note
                )
            self._tell_left_out(await self._make_rights(target, rest.remarks, [*rights, *rest.rights]))

    def _tell_left_out(self, statements: Sequence[LeftOut]) -> None:
        for one in statements:
            self.telling.note(one.says)
            self.telling.not_brought.append(one.title)

    async def _make_rights(
        self, target: Connection, remarks: Sequence[Entry], rights: Sequence[Entry]
    ) -> list[LeftOut]:
        """Also owners. Schemas get their rights first, because others need or borrow them, and their owners last."""
        schemas = [one for one in self.gifts if one.kind == "SCHEMA"]
        others = [one for one in self.gifts if one.kind != "SCHEMA"]
        (me,) = await fetch_row(self.target, "SELECT current_user::text")
        again = rights_after_gifts(rights, self.gifts, me)
        bring = partial(make_leniently, target, self.ledger)
        return [
            *await bring([*remarks, *of_schemas(rights)], "rights"),
            *await bring(await self._grants(rights), "grants"),
            *await bring(await with_right_to_own(self.target, others), "gifts"),
            *await bring(await self._grants(again), "grants after gifts"),
            *await bring([*schemas, *of_schemas(again)], "gifts of schemas"),
        ]

    async def _grants(self, rights: Sequence[Entry]) -> list[Entry]:
        others = [one for one in rights if one.kind != "ACL" or one.toc.schema]
        return await with_right_to_grant(self.target, others, is_superuser=self.roles.is_superuser)

    async def _fill_views(self, rest: Rest, late: Late) -> None:
        await self._sequences()
        self.telling.enter("views", things=len(self.contents.views))
        await fill_views(self.target, self.ledger, self.contents.views, self.telling, refresh=self.job.refresh)
        todo = [one for one in rest.view_indexes if not self.ledger.has("index", one.key)]
        await self._work_off([build(one, self.ledger, self.telling) for one in todo])
        await self._finish_late(late)

    async def _end(self, rest: Rest) -> None:
        tasks = await analyze_tasks(self.target, self.ledger, self.telling)
        self.telling.enter("statistics", things=len(tasks))
        await self._work_off(tasks)
        async with self._raw() as target:
            self._tell_left_out(await make_leniently(target, self.ledger, rest.event_triggers, "event triggers"))
        await self._bring_database()

    async def _bring_database(self) -> None:
        """Last, because its rights and settings are meant for the app's sessions, not for ours."""
        self.telling.enter("database")
        async with self.place.holder.busy:
            await name_what_is_unlike(self.place.holder.connection, self.target, self.telling)
            if "public" not in self.excluded.schemas:
                await bring_comment_of_public(self.place.holder.connection, self.target, self.telling.note)
                if self.job.keeps_owners and not self.owners_lost:
                    await name_public(self.place.holder.connection, self.target, self.telling)
            settings = await read_settings(self.place.holder.connection)
            database = await read_database(self.place.holder.connection)
        keeps = self.job.keeps_owners
        for setting in [one for one in settings if one.role and not keeps]:
            self.telling.note(f"{setting.says} is not copied, because roles are not.")
        brought = [one for one in settings if keeps or not one.role]
        await bring_settings(
            brought, self.target, self.place.target, self.ledger, self.telling.note, is_held=self.job.is_held
        )
        await bring_database(database, self.target, self.ledger, self.roles.known if keeps else None, self.telling.note)

    async def _sequences(self) -> None:
        place = self.place
        async with place.holder.busy:
            found = await sequence_names(place.holder.connection, self.job.skip_schemas, self.job.skip_extensions)
            names = [one for one in found if not self.excluded.has(*one)]
            self.telling.enter("sequences", things=len(names))
            await bring_sequences(place.holder.connection, self.target, names)

    async def _work_off(self, tasks: list[Task]) -> None:
        if not tasks:
            return
        place, encodings = self.place, self.encodings

        async def reader() -> Any:
            return await open_reader(place.source, place.name, place.holder.snapshot, encoding=encodings.reader)

        async def target(kept: AsyncExitStack) -> Connection:
            return await kept.enter_async_context(self._session(encodings.writer))

        board = Board(tasks, lambda: self.target.execute("SELECT 1"))
        await board.work_off([Hands(reader, target) for _ in range(self.job.connections)])

    def _report(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """A summary of the copy, in numbers and notes. See `job.py`."""
        self.telling.enter("report")
        return {
            "tables": len(self.contents.tables),
            "bytes": self.contents.bytes,
            "per_table": table_figures(self._pieces(self.ledger.of("plan")["cuts"]), self.ledger.of("rows")),
            "objects": len(entries),
            "excluded": self.excluded.as_dict(),
            "roles_made": self.roles.made,
            "roles_without_password": self.roles.without_password,
            "notes": self.telling.notes,
            "not_brought": self.telling.not_brought,
            "owners_lost": sorted(self.owners_lost),
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.telling.seconds.items()},
            "moment": self.place.holder.moment.as_facts(),
        }


async def encodings_of(target: Connection, contents: Contents) -> Encodings:
    if contents.encoding == "SQL_ASCII":
        return Encodings("SQL_ASCII", "SQL_ASCII", await encoding_of(target))
    return Encodings("UTF8", "UTF8", "UTF8")  # asyncpg sends names as UTF-8, whatever the session's encoding


async def encoding_of(target: Connection) -> str:
    """The database's own encoding."""
    (here,) = await fetch_row(
        target,
        "SELECT pg_encoding_to_char(encoding)::text FROM pg_catalog.pg_database WHERE datname = current_database()",
    )
    return str(here)
