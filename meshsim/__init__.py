"""meshsim: canary releases on Istio and Argo Rollouts, without a cluster."""

__version__ = "0.1.0"
