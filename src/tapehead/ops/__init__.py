"""The maths: pure functions of tensors, without parameters and without state of their own."""
