"""What of a caption is true of its clip, statement by statement."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from musicwords.matching import stated

from .matching import facts, unknown
from .parser import parse


class Statement(NamedTuple):
    """Something that a caption states of a clip."""

    attribute: str
    value: Hashable
    true: bool


def judge(text: str, attributes: Mapping[str, object]) -> list[Statement]:
    """Return the statements of a text on what is known of a clip.

    Parameters
    ----------
    text : str
        A caption, by whomever.
    attributes : mapping
        Of the clip, as a row of the corpus has them; None where a value is not known.

    Returns
    -------
    list of Statement
        What the text says of an attribute that is not known is left out, and so is what ``parse`` cannot read.

    Examples
    --------
    >>> attributes = {"instruments": ["violin"], "tempo_bpm": 60.0, "tempo_class": "slow", "mode": None}
    >>> [(one.value, one.true) for one in judge("A fast violin piece in a minor key.", attributes)]
    [('violin', True), ('fast', False)]
    """
    true, blank = facts(attributes), unknown(attributes)
    return [
        Statement(name, value, (name, value) in true)
        for name, value in sorted(stated(parse(text)), key=repr)
        if name not in blank
    ]
