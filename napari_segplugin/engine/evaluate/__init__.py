"""Results against the truth: one image, many, folders."""
