"""What the notebooks of *Connecting Music Audio and Natural Language* import.

Nothing in this package is worth teaching: it finds checkpoints and clips, and draws players. What the book
teaches is written out in the notebooks.
"""

from musicwords.checkpoints import checkpoint

__all__ = ["checkpoint"]
