"""More timbres for training: music of the corpus played by other fonts and by recorded notes, and badly recorded."""
