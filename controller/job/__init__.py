"""Jobs: pods that run to their end, as Kubernetes' own controller runs them."""
