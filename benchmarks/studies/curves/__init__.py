"""Curves: the time of a call while one quantity grows."""
