"""The mini CLAP: a text tower distilled from MiniLM, an audio tower trained on the corpus, and their evaluation."""
