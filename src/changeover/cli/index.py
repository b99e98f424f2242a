"""The index of commands: module, help and topic. Help and completion use it without importing the commands.

A test compares it with the commands.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    module: str
    attribute: str
    help: str
    topic: str


TOPICS = {
    "here": "the control plane on this machine",
    "apps": "apps, their config and their releases",
    "ps": "what apps run: dynos, one-off commands, scheduled jobs, logs, maintenance mode",
    "addons": "databases and other services of apps",
    "pg": "PostgreSQL databases",
    "changeovers": "moving databases",
    "elsewhere": "databases of other providers: check, migrate, compare",
    "backups": "backups, restores, copies",
    "pg diagnostics": "diagnostics of a database",
    "spaces": "private networks, teams and regions",
    "access": "accounts, permissions, tokens",
    "runs": "long-running work",
}

_COMMANDS = """
here
    server                  local server                 Start the control plane.
    stop                    local stop                   Stop the control plane and everything that it runs.
    env                     official env                 Print environment variables that point both CLIs to this control plane.
    heroku                  official heroku              Run the official CLI against this control plane.
    proxy                   proxy proxy                  Forward a local port to a remote control plane.
    demo                    local demo                   Move a live database and show that nothing is lost.
    backup                  local backup                 Save the control plane's state and keys to a file.
    restore                 local restore                Restore the control plane's state and keys from a file.
    ca                      runs ca                      Print the certificate of the control plane's authority.
    completion              shells completion            Print a completion script for bash, zsh or fish.
    version                 shells version               Print the version.
apps
    apps                    apps index                   List your apps.
    apps:create             apps create                  Create an app.
    apps:info               apps info                    Show details of an app.
    apps:open               apps open_                   Open an app in the browser.
    apps:rename             apps rename                  Rename an app.
    apps:transfer           apps transfer                Transfer an app to another user or team.
    apps:lock               apps lock                    Prevent team members from joining an app.
    apps:unlock             apps unlock                  Allow team members to join an app.
    apps:join               apps join                    Add yourself to a team's app.
    apps:leave              apps leave                   Remove yourself from a team's app.
    apps:stacks             apps stacks                  List the available stacks and the app's stack.
    apps:destroy            apps destroy                 Permanently destroy an app and its add-ons.
    config                  config index                 Show an app's config vars.
    config:get              config get                   Print the values of config vars, one per line.
    config:set              config set_                  Set config vars in one release.
    config:unset            config unset                 Unset config vars in one release.
    config:edit             config edit                  Edit config vars in your editor.
    releases                releases index               List an app's releases, newest first.
    releases:info           releases info                Show details of a release.
    releases:output         releases output              Show the output of a release's release phase.
    releases:rollback       releases rollback            Roll back to an earlier release.
    deploy                  deploy deploy                Deploy a folder as the app's next release.
ps
    ps                      ps index                     List an app's dynos.
    ps:scale                formation scale              Show or change the number of dynos of each type.
    ps:type                 formation type_              Show or change the sizes of dynos.
    ps:restart              ps restart                   Restart an app's dynos.
    ps:stop                 ps stop                      Stop a dyno, or all dynos of a type.
    ps:wait                 ps wait                      Wait until every dyno runs the latest release.
    run                     run attached                 Run a command in an attached one-off dyno.
    run:detached            run detached                 Run a command in a detached one-off dyno, which logs its output.
    logs                    logs index                   Show the logs of an app, or follow them.
    maintenance             maintenance index            Show whether maintenance mode is on.
    maintenance:on          maintenance on               Answer all requests with the maintenance page.
    maintenance:off         maintenance off              Send requests to the app again.
    scheduler               scheduler index              List an app's scheduled jobs.
    scheduler:add           scheduler add                Schedule a command.
    scheduler:remove        scheduler remove             Remove a scheduled job.
    scheduler:run           scheduler run                Run a scheduled job now.
    scheduler:hold          scheduler hold               Hold an app's scheduled jobs.
    scheduler:resume        scheduler resume             Resume an app's scheduled jobs.
addons
    addons                  addon_views index            List add-ons and their attachments.
    addons:create           addons create                Create an add-on, such as a database or a follower.
    addons:info             addon_views info             Show details of an add-on.
    addons:wait             addon_views wait             Wait until add-ons are created or destroyed.
    addons:attach           addons attach                Attach an add-on to another app.
    addons:detach           addons detach                Detach an add-on from an app without destroying it.
    addons:rename           addons rename                Rename an add-on.
    addons:destroy          addons destroy               Permanently destroy add-ons with all their data.
    addons:services         addon_views services         List the available add-on services.
    addons:plans            addon_views plans            List the plans and prices of a service.
    addons:docs             addon_views docs             Open a service's documentation in the browser.
pg
    pg:info                 pg info                      Show details of databases.
    pg:wait                 pg wait                      Wait until databases are available.
    pg:unfollow             pg unfollow                  Permanently turn a follower into a writable database.
    pg:promote              pg promote                   Make a database the app's DATABASE_URL.
    pg:adopt                adopt adopt                  Attach an external database to an app as an add-on.
    pg:changeover           changeovers changeover       Move a live database and the apps that use it.
    pg:connection-pooling:attach pooling attach          Attach a connection pool of a database to an app.
    pg:credentials          credentials index            List a database's credentials and their attachments.
    pg:credentials:url      credentials url              Show the connection information of a database.
    pg:psql                 psql psql                    Open psql on a database, or run SQL in it.
    pg:kill                 diagnostics kill             Cancel a query by its process id.
    pg:killall              pg killall                   Terminate all connections of all credentials.
changeovers
    changeovers             changeovers index            List changeovers, newest first.
    changeovers:info        changeovers info             Show a changeover's progress, blockers and report.
    changeovers:cut-over    changeovers cut_over         Start the pause now.
    changeovers:resume      changeovers resume           Retry the step that failed.
    changeovers:abort       changeovers abort            Undo a changeover, up to the point of no return.
elsewhere
    check                   check check                  Check whether a database can be moved, without changing anything.
    migrate                 migrate migrate              Move a database to another server.
    migrations              migrate index                List migrations.
    migrations:info         migrate info                 Show a migration and its report.
    verify                  migrate verify               Compare two databases: schema, rows, sequences.
backups
    pg:backups              backups index                List an app's backups, restores and copies.
    pg:backups:capture      transfers capture            Back up a database.
    pg:backups:info         backups info                 Show details of a backup, restore or copy.
    pg:backups:url          backups url                  Print a public download URL for a backup.
    pg:backups:download     backups download             Download a backup.
    pg:backups:restore      transfers restore            Replace the contents of a database with a backup.
    pg:backups:verify       backups verify               Verify a backup by restoring it into a scratch server.
    pg:backups:delete       backups delete               Permanently delete a backup.
    pg:backups:cancel       backups cancel               Cancel a backup, restore or copy.
    pg:backups:schedule     backups schedule             Schedule daily backups of a database.
    pg:backups:schedules    backups schedules            List an app's backup schedules.
    pg:backups:unschedule   backups unschedule           Stop daily backups of a database.
    pg:copy                 transfers copy               Replace the contents of a database with those of another.
pg diagnostics
    pg:ps                   diagnostics ps               Show the active queries of a database.
    pg:locks                diagnostics locks            Show queries with active locks.
    pg:blocking             diagnostics blocking         Show queries that block others.
    pg:long-running-queries diagnostics long_running_queries  Show queries that have run for more than five minutes.
    pg:outliers             diagnostics outliers         Show the queries with the highest total time.
    pg:calls                diagnostics calls            Show the most frequent queries.
    pg:cache-hit            diagnostics cache_hit        Show the cache hit rate.
    pg:index-usage          diagnostics index_usage      Show the index usage of each table.
    pg:unused-indexes       diagnostics unused_indexes   Show rarely used indexes.
    pg:seq-scans            diagnostics seq_scans        Show the number of sequential scans of each table.
    pg:bloat                diagnostics bloat            Show table and index bloat (estimated).
    pg:vacuum-stats         diagnostics vacuum_stats     Show dead rows and the last vacuum of each table.
    pg:records-rank         diagnostics records_rank     Show tables by number of rows (estimated).
    pg:index-size           diagnostics index_size       Show the size of each index.
    pg:table-size           diagnostics table_size       Show the size of each table without its indexes.
    pg:table-indexes-size   diagnostics table_indexes_size   Show the size of all indexes of each table.
    pg:total-index-size     diagnostics total_index_size     Show the total size of all indexes.
    pg:total-table-size     diagnostics total_table_size     Show the size of each table with its indexes.
    pg:user-connections     diagnostics user_connections     Show the number of connections of each credential.
    pg:extensions           diagnostics extensions       Show the available extensions.
spaces
    spaces                  spaces index                 List spaces.
    spaces:create           spaces create                Create a space.
    spaces:info             spaces info                  Show details of a space.
    spaces:wait             spaces wait                  Wait until a space is allocated.
    spaces:rename           spaces rename                Rename a space.
    spaces:destroy          spaces destroy               Destroy a space.
    teams                   teams index                  List the teams that you belong to.
    regions                 teams regions                List the regions for apps and spaces.
access
    auth:whoami             authorizations whoami        Show the current account.
    auth:token              authorizations token         Print the current token.
    access                  access index                 List who has access to an app.
    access:add              access add                   Add a collaborator to an app.
    access:update           access update                Change a collaborator's permissions on an app.
    access:remove           access remove                Remove a collaborator from an app.
    members                 members index                List the members of a team.
    members:add             members add                  Add an account to a team.
    members:set             members set_                 Change the role of a team's member.
    members:remove          members remove               Remove an account from a team and from its apps.
    audit                   audit index                  List events of the audit trail, newest first.
    authorizations          authorizations index         List tokens.
    authorizations:create   authorizations create        Create a token.
    authorizations:info     authorizations info          Show details of a token.
    authorizations:update   authorizations update        Change a token's description.
    authorizations:rotate   authorizations rotate        Replace a token with a new one.
    authorizations:revoke   authorizations revoke        Revoke a token.
runs
    runs                    runs index                   List runs with their progress.
    runs:info               runs info                    Show a run with its steps and journal.
"""

ALIASES = {
    "pg": "pg:info",
    "psql": "pg:psql",
    "create": "apps:create",
    "destroy": "apps:destroy",
    "info": "apps:info",
    "list": "apps",
    "open": "apps:open",
    "rename": "apps:rename",
    "apps:list": "apps",
    "apps:delete": "apps:destroy",
    "join": "apps:join",
    "leave": "apps:leave",
    "lock": "apps:lock",
    "unlock": "apps:unlock",
    "stack": "apps:stacks",
    "config:add": "config:set",
    "config:remove": "config:unset",
    "rollback": "releases:rollback",
    "scale": "ps:scale",
    "dyno:scale": "ps:scale",
    "resize": "ps:type",
    "ps:resize": "ps:type",
    "dyno:resize": "ps:type",
    "dyno:type": "ps:type",
    "restart": "ps:restart",
    "dyno:restart": "ps:restart",
    "kill": "ps:stop",
    "ps:kill": "ps:stop",
    "dyno:stop": "ps:stop",
    "dyno:kill": "ps:stop",
    "addons:add": "addons:create",
    "addons:remove": "addons:destroy",
    "authorizations:destroy": "authorizations:revoke",
    "whoami": "auth:whoami",
    "orgs": "teams",
}


def _read(table: str) -> dict[str, Entry]:
    index, topic = {}, ""
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            topic = line
            continue
        name, module, attribute, about = line.split(None, 3)
        index[name] = Entry(module, attribute, about, topic)
    return index


INDEX = _read(_COMMANDS)
