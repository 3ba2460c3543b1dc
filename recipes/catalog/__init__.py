"""Embed a catalogue of audio with a CLAP, and search it: the parts of embed_catalogue.py and search_catalogue.py."""
