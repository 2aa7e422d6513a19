"""A network over an image of any size: the plan, the tiles, the seams, the result."""
