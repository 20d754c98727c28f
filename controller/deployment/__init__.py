"""Deployments: one template's pods replaced by the next one's, as Kubernetes' own controller does it."""
