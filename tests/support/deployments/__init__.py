"""Servers, sentinels and clusters as real processes, and the variants that tests run on."""
