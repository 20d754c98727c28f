"""What would go wrong among objects that are right one by one, as `istioctl analyze` sees it. Pure.

The objects must be the whole mesh: what isn't among them doesn't exist. Findings bear Istio's codes.
"""
