"""The HTTP interface: the Platform API, the Data API and our own API. Handlers parse, call platform code, and answer."""
