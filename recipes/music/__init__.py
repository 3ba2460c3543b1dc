"""What makes music: scores, composed pieces, recordings, and the sound fonts that play them."""
