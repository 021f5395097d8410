"""One page that tells how a portfolio did: figures, charts and decisions, in a file of its own."""
