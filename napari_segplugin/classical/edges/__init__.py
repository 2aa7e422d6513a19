"""Edges, the contours that they close, and contours that move."""
