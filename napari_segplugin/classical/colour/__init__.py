"""Clusters of colours."""
