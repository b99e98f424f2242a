"""Our state: its schema (migrations/), its statements (sql/) and its rows. Contains no decisions."""
