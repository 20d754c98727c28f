"""What a cluster's controllers do for a canary: Rollouts as Argo runs them, and the ReplicaSets below them."""
