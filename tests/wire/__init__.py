"""Recorded dialogues with real peers, and what our stack makes of them."""
