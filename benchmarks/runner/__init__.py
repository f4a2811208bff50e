"""How every study measures: contenders' processes, servers, counted traffic, rounds, progress."""
