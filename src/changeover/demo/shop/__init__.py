"""The demo's shop: a small app as users write them. It is deployed unchanged, so it imports nothing of ours."""
