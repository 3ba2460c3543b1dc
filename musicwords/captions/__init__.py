"""English captions and questions from the attributes of a clip, attributes from captions, and what of these is true.

Chinese captions are in ``chinese``.
"""

from .grammar import STYLES, Caption, caption, captions, novelty
from .lexicon import tempo_class
from .parser import parse
from .questions import Question, questions
from .truth import Statement, judge

__all__ = [
    "STYLES",
    "Caption",
    "Question",
    "Statement",
    "caption",
    "captions",
    "judge",
    "novelty",
    "parse",
    "questions",
    "tempo_class",
]
