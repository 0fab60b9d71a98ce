"""A run as a program: what its heads did, a line a step, loops folded."""

from tapehead.viewing.listing.moves import Move, Step, moves
from tapehead.viewing.listing.program import Line, Loop, program, text
from tapehead.viewing.listing.run import Listing, listing_of

__all__ = ["Line", "Listing", "Loop", "Move", "Step", "listing_of", "moves", "program", "text"]
