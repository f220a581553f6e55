"""Chains of scalar weights, trained."""
