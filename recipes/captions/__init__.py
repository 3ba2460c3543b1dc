"""English captions and questions from the attributes of a clip, and attributes from captions."""

from .grammar import STYLES, Caption, caption, captions, novelty
from .lexicon import tempo_class
from .parser import parse
from .questions import Question, questions

__all__ = ["STYLES", "Caption", "Question", "caption", "captions", "novelty", "parse", "questions", "tempo_class"]
