"""Default pages for when an app does not answer and has none of its own. Plain HTML without external resources."""

from __future__ import annotations

from string import Template

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.1rem/1.5 system-ui, sans-serif;
       color: #222; background: #fafafa; }
main { max-width: 34rem; padding: 2rem; }
h1 { font-size: 1.5rem; font-weight: 600; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } }
</style>
</head>
<body><main><h1>$heading</h1><p>$text</p></main></body>
</html>
""")

MAINTENANCE = _PAGE.substitute(
    title="Offline for Maintenance",
    heading="Offline for Maintenance",
    text="This application is undergoing maintenance right now. Please check back later.",
).encode()

ERROR = _PAGE.substitute(
    title="Application Error",
    heading="Application error",
    text="An error occurred in the application and your page could not be served. "
    "If you are the application owner, its logs say why: <code>changeover logs --tail</code>",
).encode()
