"""The contribution and what its bytes mean; pure, so that every node gives the same verdict."""
