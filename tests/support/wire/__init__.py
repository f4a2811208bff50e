"""The way between a client and a server: a plain client, proxies, a scripted server, MONITOR."""
