"""Where the proxy's configuration comes from, and how a change comes into force."""
