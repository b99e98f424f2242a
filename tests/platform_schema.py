"""Holds a response body against the vendored schema of the Platform API (tests/data/README.md)."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = Path(__file__).with_name("data") / "platform-api-schema.json"
FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    # the library checks this format only when a further package is installed, and says nothing otherwise
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def assert_platform(resource: str, body: object) -> None:
    """`body` is one resource ("app", "add-on", "release", …) or a list of them, as the schema describes it."""
    for element in body if isinstance(body, list) else [body]:
        assert platform_errors(resource, element) == []


def platform_errors(resource: str, body: object) -> list[str]:
    """What is wrong with one `body`, as `$.field: message` lines."""
    definitions = platform_definitions()
    schema = {"definitions": definitions, "$ref": f"#/definitions/{resource}"}
    # the schema's own dialect is known to no library; it is draft 4 but for its links
    validator = jsonschema.Draft4Validator(schema, format_checker=FORMATS)
    return sorted(f"{error.json_path}: {error.message}" for error in validator.iter_errors(body))


@cache
def platform_definitions() -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads(SCHEMA.read_text())["definitions"]
    for field in ("git_url", "web_url"):
        # tied to Heroku's own domains, which a self-hosted platform is not below
        del definitions["app"]["definitions"][field]["pattern"]
    return definitions
