"""What programs speak: the Platform API, the Data API and our own, on one port. Parse, call platform code, answer."""
