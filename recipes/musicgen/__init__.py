"""A small MusicGen: a transformer that writes the codec's tokens for a prompt; its training and export."""
