"""PostgreSQL itself: installations, clusters as processes, and queries to running servers.

Takes paths and connections and returns plain values. Knows nothing of apps, plans, HTTP or our tables.
"""
