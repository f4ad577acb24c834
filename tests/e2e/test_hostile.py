"""Peers that lie: a worker program of somebody else's, clients that send rubbish."""
