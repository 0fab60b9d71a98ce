"""Answers of geometry in loops over plain numbers, compiled where that can be done."""
