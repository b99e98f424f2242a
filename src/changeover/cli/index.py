"""Every command: where it is, what it is for, under which topic. So that help and completion import nothing.

A test holds this against the commands themselves.
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
    "changeovers": "databases on the move",
    "elsewhere": "databases that somebody else runs: check, bring over, compare",
    "backups": "backups, restores, copies",
    "pg looks inside": "what happens in a database",
    "spaces": "private networks, teams and regions",
    "access": "who may what",
    "runs": "long work under way",
}

_COMMANDS = """
here
    server                  local server                 Run the control plane: API, job worker, state.
    stop                    local stop                   Stop the control plane and everything that it runs.
    env                     official env                 Print the exports that point both CLIs here.
    heroku                  official heroku              Run the official CLI against this control plane.
    proxy                   proxy proxy                  Forward a remote control plane to this machine.
    demo                    local demo                   Move a live database before your eyes; nothing is lost.
    backup                  local backup                 Save our own state and keys to a file.
    restore                 local restore                Restore our own state and keys from such a file.
    ca                      runs ca                      Print the certificate of our authority.
    completion              shells completion            Print a completion script for bash, zsh or fish.
    version                 shells version               Print the version.
apps
    apps                    apps index                   List your apps.
    apps:create             apps create                  Create an app.
    apps:info               apps info                    Show an app: add-ons, addresses, owner, region, space.
    apps:open               apps open_                   Open an app in the browser.
    apps:rename             apps rename                  Give an app another name.
    apps:transfer           apps transfer                Hand an app over to another person or team.
    apps:lock               apps lock                    Keep people of the team from joining an app.
    apps:unlock             apps unlock                  Let people of the team join an app again.
    apps:join               apps join                    Add yourself to a team's app.
    apps:leave              apps leave                   Remove yourself from a team's app.
    apps:stacks             apps stacks                  List the stacks that there are, and the app's own.
    apps:destroy            apps destroy                 Destroy an app and its add-ons, for ever.
    config                  config index                 Show an app's config vars.
    config:get              config get                   Print the values of config vars, one a line.
    config:set              config set_                  Set config vars, all in one release.
    config:unset            config unset                 Remove config vars, all in one release.
    config:edit             config edit                  Edit config vars in your editor.
    releases                releases index               List an app's releases, newest first.
    releases:info           releases info                Show a release and the config that it had.
    releases:output         releases output              Show what a release's release phase printed.
    releases:rollback       releases rollback            Go back to an earlier release.
    deploy                  deploy deploy                Make a folder the app's next release.
ps
    ps                      ps index                     List an app's dynos.
    ps:scale                formation scale              Show how many dynos run of each type, or change it.
    ps:type                 formation type_              Show the sizes of dynos, or change them.
    ps:restart              ps restart                   Restart an app's dynos.
    ps:stop                 ps stop                      Stop a dyno, or all of a type.
    ps:wait                 ps wait                      Wait until every dyno runs the latest release.
    run                     run attached                 Run a command in a one-off dyno, on this terminal.
    run:detached            run detached                 Run a command in a one-off dyno; its output goes to the logs.
    logs                    logs index                   Show what apps, router and platform said, or follow it.
    maintenance             maintenance index            Show whether maintenance mode is on.
    maintenance:on          maintenance on               Answer all requests with the maintenance page.
    maintenance:off         maintenance off              Let requests through to the app again.
    scheduler               scheduler index              List an app's scheduled jobs.
    scheduler:add           scheduler add                Run a command at set times.
    scheduler:remove        scheduler remove             Remove a scheduled job.
    scheduler:run           scheduler run                Run a scheduled job now.
    scheduler:hold          scheduler hold               Start no scheduled jobs for now.
    scheduler:resume        scheduler resume             Let scheduled jobs run again.
addons
    addons                  addon_views index            List add-ons and their attachments.
    addons:create           addons create                Create an add-on, such as a database or its follower.
    addons:info             addon_views info             Show an add-on: plan, price, attachments, state.
    addons:wait             addon_views wait             Wait until add-ons are created or gone.
    addons:attach           addons attach                Attach an add-on to a further app.
    addons:detach           addons detach                Take an attachment away from an app; the add-on stays.
    addons:rename           addons rename                Give an add-on another name.
    addons:destroy          addons destroy               Destroy add-ons with all their data, for ever.
    addons:services         addon_views services         List the services that add-ons can be made of.
    addons:plans            addon_views plans            List the plans of a service, with their prices.
    addons:docs             addon_views docs             Open a service's documentation in the browser.
pg
    pg:info                 pg info                      Show databases: plan, status, size, followers, how far behind.
    pg:wait                 pg wait                      Wait until databases are available.
    pg:unfollow             pg unfollow                  Make a follower a writable database, for ever.
    pg:promote              pg promote                   Make a database the app's DATABASE_URL.
    pg:adopt                adopt adopt                  Make a database that somebody else runs an add-on.
    pg:changeover           changeovers changeover       Move a live database, with every app that uses it.
    pg:connection-pooling:attach pooling attach          Give an app a URL that goes through the database's pooler.
    pg:credentials          credentials index            List a database's credentials and where they are attached.
    pg:credentials:url      credentials url              Show how to connect to a database.
    pg:psql                 psql psql                    Open psql on a database, or run SQL in it.
    pg:kill                 diagnostics kill             Cancel a query by its process id.
    pg:killall              pg killall                   End all connections of all credentials.
changeovers
    changeovers             changeovers index            List changeovers, the newest first.
    changeovers:info        changeovers info             Show how far one is, who is in the way, its report.
    changeovers:cut-over    changeovers cut_over         Let the pause begin now.
    changeovers:resume      changeovers resume           Try again what could not be done.
    changeovers:abort       changeovers abort            Put everything back; until the point of no return.
elsewhere
    check                   check check                  Check whether a database elsewhere can be moved; change nothing.
    migrate                 migrate migrate              Bring a database from one address to another.
    migrations              migrate index                List migrations: what goes on, what was done.
    migrations:info         migrate info                 Show a migration and its report.
    verify                  migrate verify               Compare two databases: schema, rows, sequences.
backups
    pg:backups              backups index                List an app's backups, restores and copies.
    pg:backups:capture      transfers capture            Back a database up into the bucket.
    pg:backups:info         backups info                 Show a backup, a restore or a copy, with its log.
    pg:backups:url          backups url                  Print an address that anybody can download a backup from.
    pg:backups:download     backups download             Download a backup.
    pg:backups:restore      transfers restore            Replace what is in a database by a backup.
    pg:backups:verify       backups verify               Restore a backup into a scratch server, and count.
    pg:backups:delete       backups delete               Delete a backup, for ever.
    pg:backups:cancel       backups cancel               Cancel a backup, a restore or a copy.
    pg:backups:schedule     backups schedule             Back a database up every day.
    pg:backups:schedules    backups schedules            List an app's daily backups.
    pg:backups:unschedule   backups unschedule           Make no more daily backups.
    pg:copy                 transfers copy               Replace what is in one database by what is in another.
pg looks inside
    pg:ps                   diagnostics ps               Show what runs in a database.
    pg:locks                diagnostics locks            Show queries with active locks.
    pg:blocking             diagnostics blocking         Show queries that others wait for.
    pg:long-running-queries diagnostics long_running_queries  Show queries that run for more than five minutes.
    pg:outliers             diagnostics outliers         Show the queries that took most time in all.
    pg:calls                diagnostics calls            Show the queries that were called most often.
    pg:cache-hit            diagnostics cache_hit        Show how often reads were served from memory.
    pg:index-usage          diagnostics index_usage      Show how often each table was read by an index.
    pg:unused-indexes       diagnostics unused_indexes   Show indexes that are hardly ever used.
    pg:seq-scans            diagnostics seq_scans        Show how often each table was read as a whole.
    pg:bloat                diagnostics bloat            Show tables with much room that holds nothing (estimated).
    pg:vacuum-stats         diagnostics vacuum_stats     Show dead rows, and when each table was vacuumed.
    pg:records-rank         diagnostics records_rank     Show tables by their number of rows (estimated).
    pg:index-size           diagnostics index_size       Show the size of each index.
    pg:table-size           diagnostics table_size       Show the size of each table without its indexes.
    pg:table-indexes-size   diagnostics table_indexes_size   Show the size of all indexes of each table.
    pg:total-index-size     diagnostics total_index_size     Show the size of all indexes together.
    pg:total-table-size     diagnostics total_table_size     Show the size of each table with its indexes.
    pg:user-connections     diagnostics user_connections     Show how many connections each credential has.
    pg:extensions           diagnostics extensions       Show the extensions that can be installed.
spaces
    spaces                  spaces index                 List spaces.
    spaces:create           spaces create                Create a space.
    spaces:info             spaces info                  Show a space: team, region, networks, state.
    spaces:wait             spaces wait                  Wait until a space is allocated.
    spaces:rename           spaces rename                Give a space another name.
    spaces:destroy          spaces destroy               Destroy a space.
    teams                   teams index                  List the teams that you belong to.
    regions                 teams regions                List the regions that apps and spaces can be in.
access
    auth:whoami             authorizations whoami        Show whose token this is.
    auth:token              authorizations token         Print the token that the CLI uses.
    access                  access index                 List who has access to an app.
    access:add              access add                   Give an account access to an app.
    access:update           access update                Change what a collaborator may do on an app.
    access:remove           access remove                Take somebody's access to an app away.
    members                 members index                List the members of a team.
    members:add             members add                  Add an account to a team.
    members:set             members set_                 Change the role of a team's member.
    members:remove          members remove               Remove an account from a team and from its apps.
    audit                   audit index                  List who did what, when, and from where, the newest first.
    authorizations          authorizations index         List tokens.
    authorizations:create   authorizations create        Make a further token.
    authorizations:info     authorizations info          Show a token's authorization.
    authorizations:update   authorizations update        Change a token's description.
    authorizations:rotate   authorizations rotate        Replace a token by a new one.
    authorizations:revoke   authorizations revoke        Make a token worthless.
runs
    runs                    runs index                   List runs: what is being done, and what it waits for.
    runs:info               runs info                    Show a run: its steps, what it waits for, its journal.
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
