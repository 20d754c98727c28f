"""Argo Rollouts: observe, plan (pure), apply."""
