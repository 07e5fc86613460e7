"""Long runs against hostile peers: `make torture`. Short ones of the same are in `make test`."""
