"""The order and the moments in which calls meet: interleaving, cancellation, waiting."""
