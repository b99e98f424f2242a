"""Checks of code in the source: extensions, functions, triggers, languages, jobs, foreign servers."""

from __future__ import annotations

import re

from psycopg import sql

from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.quantities import counted

_USED_FUNCTIONS = """
SELECT DISTINCT p.oid::regprocedure::text, uses.by, p.prosrc
  FROM (SELECT d.refobjid AS function, 'materialized view ' || mine.name AS by
          FROM mine JOIN pg_rewrite r ON r.ev_class = mine.oid
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid WHERE mine.relkind = 'm'
        UNION SELECT d.refobjid, 'default or generated column of ' || mine.name
          FROM mine JOIN pg_attrdef r ON r.adrelid = mine.oid
          JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = r.oid
        UNION SELECT d.refobjid, 'constraint of ' || mine.name
          FROM mine JOIN pg_constraint r ON r.conrelid = mine.oid
          JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = r.oid
        UNION SELECT d.refobjid, 'index ' || mine.name
          FROM mine JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = mine.oid
         WHERE mine.relkind = 'i') uses
  JOIN pg_proc p ON p.oid = uses.function JOIN homes ON homes.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought)
   AND l.lanname IN ('sql', 'plpgsql') AND coalesce(to_jsonb(p) ->> 'prosqlbody', '') = ''
   AND NOT coalesce(array_to_string(p.proconfig, ',') ~ 'search_path=', false)
 ORDER BY 1"""
_NAMES = """
SELECT relname FROM mine WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION SELECT proname FROM pg_proc JOIN homes ON homes.oid = pronamespace
UNION SELECT typname FROM pg_type JOIN homes ON homes.oid = typnamespace WHERE typtype IN ('d', 'e', 'c', 'r')"""
_EVENT_TRIGGERS = """
SELECT quote_ident(e.evtname), r.rolname FROM pg_event_trigger e JOIN pg_roles r ON r.oid = e.evtowner
 WHERE (e.tableoid, e.oid) NOT IN (SELECT classid, objid FROM brought) ORDER BY 1"""
_LANGUAGES = """
SELECT l.lanname, format('CREATE %%sLANGUAGE %%I HANDLER %%s', CASE WHEN lanpltrusted THEN 'TRUSTED ' ELSE '' END, lanname,
                         lanplcallfoid::regproc)
       || CASE WHEN laninline <> 0 THEN ' INLINE ' || laninline::regproc ELSE '' END
       || CASE WHEN lanvalidator <> 0 THEN ' VALIDATOR ' || lanvalidator::regproc ELSE '' END
  FROM pg_language l WHERE l.lanispl AND (l.tableoid, l.oid) NOT IN (SELECT classid, objid FROM brought) ORDER BY 1"""
_WRITTEN_IN = sql.SQL(
    "SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE lanname = {};"
)


@check("C10", "No publications, and no event triggers that can't be created")
async def left_out(look: Look) -> Answers:
    triggers = await look.source.rows(_EVENT_TRIGGERS)
    mine = [name for name, owner in triggers if not look.source.provider.reserves_role(owner)]
    if mine and not (look.target and look.target.identity.is_superuser):
        yield warning(f"Event triggers may not be copied: {named(mine)}.", "Only a superuser of the target can create one.",
                      "Create them on the target after the move, if needed.")  # fmt: skip
    publications = await look.source.names("SELECT quote_ident(pubname) FROM pg_publication ORDER BY 1")
    if publications:
        yield warning(f"Publications are not copied: {named(publications)}.", "Their subscribers keep following the source.",
                      "Create them on the target, and let the subscribers start again there.")  # fmt: skip


@check("C15", "Functions find their tables with any search path")
async def search_path(look: Look) -> Answers:
    """A restore has an empty search_path, and so have the views, indexes and generated columns that it builds."""
    used = await look.source.rows(_USED_FUNCTIONS)
    if not used:
        return
    names = set(await look.source.names(_NAMES))
    told = set()
    for function, by, body in used:
        bare = unqualified(body, names)
        if bare and function not in told:
            told.add(function)
            yield warning(
                f"The function {function}, used by {by}, refers to {named(bare)} without a schema.",
                "The target is built with an empty search path, which finds nothing without a schema.",
                f"ALTER FUNCTION {function} SET search_path = public, pg_temp; with the schemas that the function needs.",
            )


def unqualified(body: str, names: set[str]) -> list[str]:
    """Which of `names` a function's text mentions without a schema. Ignores comments and strings."""
    code = re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", " ", body, flags=re.DOTALL)
    bare = {word.strip('"') for word in re.findall(r'(?<![\w."])(?:\w+|"[^"]+")', code)}
    return sorted((bare | {word.lower() for word in bare}) & names)


@check("C16", "Extensions are available")
async def extensions(look: Look) -> Answers:
    """Without a target, compares with the installations on this machine. With a target, T5 does."""
    moved, skipped = look.source.moved_extensions, look.source.provider.skip_extensions
    offered = frozenset[str]().union(*(one.extensions for one in look.offered))
    if look.target is None:
        for one in moved:
            if one.name not in offered:
                yield failed(f"No PostgreSQL on this machine has the extension {one.name}.",
                             f"The source has {one.name} {one.version}.",
                             "Install its package here, give a target that has it, or, if unused, DROP EXTENSION …;")  # fmt: skip
    says = f"{counted(len(moved), 'extension')} to copy" + (f": {named(one.name for one in moved)}" if moved else "")
    yield passed(says + (f"; {look.source.provider.title}'s own are not copied: {named(skipped)}." if skipped else "."))


@check("C17", "Languages exist on the target, or can be created there")
async def languages(look: Look) -> Answers:
    """Except those of extensions, which T5 checks. The others are moved like functions, if the rights allow it."""
    mine = await look.source.rows(_LANGUAGES)
    if look.target is None or not mine:
        return
    there = await look.target.names("SELECT lanname FROM pg_language")
    for name, statement in mine:
        if name not in there and not look.target.identity.is_superuser:
            yield failed(
                f"The target has no language {name}, and {look.target.identity.login} can't create it there.",
                "Functions of the source may be written in it. Only a superuser can create a language without an extension.",
                f"As a superuser of the target: {statement};",
                _WRITTEN_IN.format(sql.Literal(name)).as_string(),
            )


@check("C23", "No references to other servers")
async def foreign(look: Look) -> Answers:
    servers = await look.source.rows(
        """SELECT s.srvname, w.fdwname, (SELECT count(*) FROM pg_user_mappings m WHERE m.srvid = s.oid)
             FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw ORDER BY 1"""
    )
    for name, wrapper, mappings in servers[:5]:
        yield warning(
            f"There is a foreign server {name} ({wrapper}) with {counted(mappings, 'user mapping')}.",
            "The target must be able to reach it, and its passwords are only copied if the login may read them.",
            f"Allow the target's host. On the target: ALTER USER MAPPING FOR … SERVER {name} OPTIONS (SET password …);",
        )
    if any(one.name == "dblink" for one in look.source.extensions):
        yield warning("The extension dblink is installed.", "Functions may contain addresses of other servers.",
                      "SELECT oid::regprocedure FROM pg_proc WHERE prosrc ~ 'dblink';")  # fmt: skip


@check("C25", "The database runs no jobs")
async def jobs(look: Look) -> Answers:
    names = {one.name for one in look.source.extensions}
    if "pg_cron" in names:
        rows = await look.source.names(
            "SELECT coalesce(to_jsonb(j) ->> 'jobname', j.command) FROM cron.job j WHERE active"
        )
        if rows:
            yield _jobs(
                f"pg_cron has {counted(len(rows), 'job')}: {named(rows)}.",
                "SELECT cron.unschedule(jobid) FROM cron.job;",
            )
    if "pgagent" in look.source.schemas:
        yield _jobs("pgAgent keeps its jobs here.", "UPDATE pgagent.pga_job SET jobenabled = false;")
    if "pg_partman" in names:
        yield _jobs(
            "pg_partman may create partitions in the background.",
            "UPDATE part_config SET automatic_maintenance = 'off';",
        )
    ((subscriptions,),) = await look.source.rows(
        """SELECT count(DISTINCT s.subid) FROM pg_stat_subscription s JOIN pg_stat_activity a USING (pid)
            WHERE a.datname = current_database()"""
    )
    if subscriptions:
        yield _jobs(f"{counted(subscriptions, 'subscription')} write into the source.", "ALTER SUBSCRIPTION … DISABLE;")


def _jobs(what: str, fix: str) -> Answer:
    return warning(what, "They must run on exactly one side, and would write to the source during the move.", fix)
