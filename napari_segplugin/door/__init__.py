"""Behind the public door: what may be handed in, the plain calls, the lists, and the quick answers for windows."""
