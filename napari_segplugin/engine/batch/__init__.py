"""Orders: a model or a technique with its settings, run in drawn regions, over a folder, or again from a recipe."""
