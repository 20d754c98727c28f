"""PodDisruptionBudgets: what Kubernetes' disruption controller reports in their status."""
