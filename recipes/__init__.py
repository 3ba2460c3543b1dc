"""How the clips and the checkpoints of the book were made. Run a recipe with ``python -m recipes.clap``."""
