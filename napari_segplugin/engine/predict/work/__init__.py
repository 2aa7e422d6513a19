"""How a prediction goes on: what is done of it, and at another size."""
