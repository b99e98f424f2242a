"""An app's config vars: those that its owner set, and the URLs of its attachments."""

from __future__ import annotations

from collections.abc import Mapping

from changeover.errors import InvalidParams
from changeover.platform.environment import attachments_of, environment_of, write_own_config
from changeover.platform.names import VAR_NAME
from changeover.platform.releases import release
from changeover.platform.scope import Scope
from changeover.store.rows import App


async def config_vars(scope: Scope, app: App) -> dict[str, str]:
    """All of them, sorted by name."""
    return await environment_of(scope.db, scope.parts.cipher, app.id)


async def change_config(scope: Scope, app: App, changes: Mapping[str, str | None]) -> dict[str, str]:
    """Set or (None) remove, as one release. Raises InvalidParams for names of attachments and impossible names."""
    if not changes:
        return await config_vars(scope, app)
    taken = {
        name: attachment for attachment in await attachments_of(scope.db, app.id) for name in attachment.config_vars
    }
    for name, value in changes.items():
        if not VAR_NAME.fullmatch(name):
            raise InvalidParams(
                f"{name!r} can't be the name of a config var.", why="Use letters, digits and underscores."
            )
        if value is not None and "\x00" in value:
            raise InvalidParams(
                f"The value of {name} contains a NUL byte.", why="An environment variable can't contain one."
            )
        if name in taken:
            verb = "destroy" if value is None else "overwrite"
            raise InvalidParams(
                f"Cannot {verb} attachment values {name}.",
                why=f"It belongs to the attachment {taken[name].name} of {taken[name].addon_name}.",
                fix=f"Detach it: `changeover addons:detach {taken[name].name} -a {app.name}`.",
            )
    await write_own_config(scope.db, scope.parts.cipher, app.id, changes)
    await release(scope, app.id, _description(changes))
    return await config_vars(scope, app)


def _description(changes: Mapping[str, str | None]) -> str:
    """In Heroku's words: "Set A, B config vars", "Remove C config vars"."""
    parts = []
    for verb, names in (
        ("Set", [name for name, value in changes.items() if value is not None]),
        ("Remove", [name for name, value in changes.items() if value is None]),
    ):
        if names:
            parts.append(f"{verb} {', '.join(names)} config vars")
    return ", ".join(parts)
