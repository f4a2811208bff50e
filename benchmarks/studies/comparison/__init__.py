"""The comparison: operations, their data, and the costs and times of each call."""
