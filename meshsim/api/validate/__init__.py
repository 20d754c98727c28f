"""Judging objects as the real programs do: the CRDs' schemas, Istio's webhook, Argo's controller. Pure."""
