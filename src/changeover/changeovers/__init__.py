"""The product: one database, and every app that uses it, moved to a follower. Plan, hold, cut-over, switch, report."""
