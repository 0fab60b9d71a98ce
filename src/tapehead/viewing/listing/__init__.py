"""A run as a program: what its heads did, a line a step, loops folded."""

from tapehead.viewing.listing.layout import text
from tapehead.viewing.listing.moves import moves
from tapehead.viewing.listing.program import program
from tapehead.viewing.listing.run import listing_of

__all__ = ["listing_of", "moves", "program", "text"]
