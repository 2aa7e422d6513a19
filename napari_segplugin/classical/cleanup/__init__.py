"""Steps that clean labels after a technique."""
