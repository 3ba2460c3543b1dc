"""Embed a catalog of audio with a CLAP, and search it: ``musicwords-catalog embed``, ``search`` and ``info``."""
