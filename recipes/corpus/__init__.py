"""A rendered corpus of ten-second clips with exact attributes, from which the mini checkpoints are trained."""
