"""changeover moves live PostgreSQL databases, and the apps in front of them, without losing a row."""

__version__ = "0.1.0"
