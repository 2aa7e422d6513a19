"""Thresholds: one value for the whole image, or one for each place."""
