"""Regions that grow, flood, join, split, or are cut out at least cost."""
