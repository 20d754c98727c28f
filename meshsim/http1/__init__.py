"""HTTP/1.x as bytes in, values out: a strict codec that never waits. Pure."""
