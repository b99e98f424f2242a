"""The demo's shop: a small app as its customers write them. Deployed as it is, so it imports nothing of ours."""
