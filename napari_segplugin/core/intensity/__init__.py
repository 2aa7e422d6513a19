"""What is told of the values of an image. NumPy only."""
