"""What an Istio data plane decides about a request, on configuration compiled into a frozen Snapshot. Pure."""
