"""`changeover demo`: a live database moves into a private space, in a home of its own, and every order is looked up.

It uses changeover as a person does, by its commands; nothing of ours but errors and settings is imported here.
"""
