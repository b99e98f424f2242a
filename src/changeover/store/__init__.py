"""Our state: its schema (migrations/), its statements (sql/), its rows. Decides nothing."""
