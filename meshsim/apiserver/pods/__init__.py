"""The way from a client to what runs on a node: logs, commands, ports and figures."""
