"""Neural networks with an external memory."""
