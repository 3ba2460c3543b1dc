"""Which clips a caption is true of: what clips are, and what captions state, as sets and tables of facts.

A fact is a pair of an attribute and a value, such as ``("tempo_class", "slow")``.

Derived in: notebooks/retrieval/joint_embedding.ipynb
"""

from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np

Fact = tuple[str, Hashable]
ATTRIBUTES = ("instruments", "families", "percussion", "tempo_bpm", "tempo_class", "meter", "key", "mode", "texture",
              "idiom", "dynamics", "articulation", "register", "room")  # fmt: skip
LISTS = ("instruments", "families")
TEMPO_TOLERANCE = 0.04  # a stated number of beats a minute is true of tempos so close to it
MOODS = {  # tempo and mode -> what most people would say
    ("fast", "major"): "happy",
    ("slow", "minor"): "sad",
    ("fast", "minor"): "tense",
    ("slow", "major"): "calm",
}


def facts(attributes: Mapping[str, object]) -> frozenset[Fact]:
    """Return all that a caption could truly state of a clip.

    Parameters
    ----------
    attributes : mapping
        A row of the corpus, or any part of ``ATTRIBUTES``; None where a value is not known.

    Returns
    -------
    frozenset of (attribute, value)
        One fact for each instrument and family, whole numbers of beats a minute near the tempo, and the mood that goes
        with tempo and mode. What is not known is no fact.

    Examples
    --------
    >>> sorted(facts({"instruments": ["choir"], "tempo_class": "slow", "mode": "major"}))
    [('instruments', 'choir'), ('mode', 'major'), ('mood', 'calm'), ('tempo_class', 'slow')]
    """
    known = {name: attributes[name] for name in ATTRIBUTES if attributes.get(name) is not None}
    found = set(stated(known))
    if (bpm := known.get("tempo_bpm")) is not None:
        found.discard(("tempo_bpm", bpm))
        near = range(round(bpm * (1 - TEMPO_TOLERANCE)), round(bpm * (1 + TEMPO_TOLERANCE)) + 1)
        found |= {("tempo_bpm", number) for number in near}
    if mood := MOODS.get((known.get("tempo_class"), known.get("mode"))):
        found.add(("mood", mood))
    return frozenset(found)


def stated(mentioned: Mapping[str, object]) -> frozenset[Fact]:
    """Return what a caption states.

    Parameters
    ----------
    mentioned : mapping
        Attributes with their values, lists for ``LISTS``; the column ``stated`` of the corpus holds this as JSON.
        ``absent``, what the caption says is not there, repeats another attribute and is left out.

    Returns
    -------
    frozenset of (attribute, value)

    Examples
    --------
    >>> sorted(stated({"instruments": ["harp", "flute"], "percussion": False}))
    [('instruments', 'flute'), ('instruments', 'harp'), ('percussion', False)]
    """
    return frozenset(
        (name, one)
        for name, value in mentioned.items()
        for one in (value if name in LISTS else [value])
        if name != "absent"
    )


def fact_table(rows: Sequence[Collection[Fact]], names: Sequence[Fact]) -> np.ndarray:
    """Return collections of facts as zeros and ones, one column for each of ``names``.

    Parameters
    ----------
    rows : sequence of collections of facts
        From ``facts`` or ``stated``; facts that are not among ``names`` have no column.
    names : sequence of facts
        What the columns stand for, each once.

    Returns
    -------
    np.ndarray of shape (rows, facts)
        float32, so that products of tables count facts.

    Raises
    ------
    ValueError
        If a fact stands twice among ``names``.
    """
    column = {fact: index for index, fact in enumerate(names)}
    if len(column) < len(names):
        raise ValueError(f"{len(names)} names of columns hold {len(column)} different facts: give each fact once.")
    table = np.zeros((len(rows), len(names)), np.float32)
    for line, row in zip(table, rows, strict=True):
        line[[column[fact] for fact in row if fact in column]] = 1
    return table
