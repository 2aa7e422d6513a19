"""Classical techniques over an image of any size, and their live preview."""
