"""Train, export and evaluate the codec. ``__main__`` says how."""
