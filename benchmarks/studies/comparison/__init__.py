"""The comparison: operations, the data they run on, what each call costs and how long it takes."""
