"""The Hugging Face hub: the real one is asked by ``published``; ``stand_in`` serves what ``layouts`` makes."""
