"""Runs apps: dynos (their processes and logs) and the router in front of them.

Takes plain values and returns plain values. Knows nothing of runs, our state, or databases.
"""
