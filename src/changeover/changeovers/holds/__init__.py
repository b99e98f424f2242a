"""How writers are held back while a changeover needs them to be, and let go: one file for each way."""
