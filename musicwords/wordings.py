"""What the simulated listener of the notebook on conversations says: two lists of templates.

Both have the same keys: the labels and scales of a wish with its direction, and the frames ``open``, ``refer``,
``plain`` and ``same`` of an utterance. ``{}`` stands for what is asked for, ``{place}`` and ``{n}`` for a place of
the last list, as a word and as a number.

Used in: notebooks/retrieval/conversational.ipynb
"""

# In view while the grammar of the notebook was written.
KNOWN: dict[str, tuple[str, ...]] = {
    "with": ("with {}",),
    "without": ("without {}", "no {}"),
    "minor": ("in a minor key",),
    "major": ("in a major key",),
    "tempo low": ("slow",),
    "tempo high": ("fast",),
    "tempo lower": ("slower", "not so fast"),
    "tempo higher": ("faster", "not so slow"),
    "loudness low": ("quiet",),
    "loudness high": ("loud",),
    "loudness lower": ("quieter", "softer"),
    "loudness higher": ("louder", "not so quiet"),
    "register low": ("low",),
    "register high": ("high",),
    "register lower": ("lower", "deeper"),
    "register higher": ("higher",),
    "players low": ("for a single instrument",),
    "players high": ("for a group",),
    "players lower": ("with fewer instruments",),
    "players higher": ("with more instruments",),
    "reverb low": ("dry",),
    "reverb high": ("with a lot of reverb",),
    "reverb lower": ("drier", "with less reverb"),
    "reverb higher": ("with more reverb",),
    "open": ("I am looking for something {}.", "Find me music that is {}.", "Something {}, please."),
    "refer": ("Like the {place}, but {}.", "Closer to the {place}, but {}.", "The {place}, but {}."),
    "plain": ("Please {}.", "Can it be {}?", "{}, please."),
    "same": ("More like the {place}.",),
}

# Written when the grammar was finished, to say the same in other words.
HELD_OUT: dict[str, tuple[str, ...]] = {
    "with": ("featuring {}", "where {} can be heard", "I want {} in there"),
    "without": ("minus the {}", "leave the {} out", "I could do without the {}"),
    "minor": ("in minor", "with a sad, minor feel"),
    "major": ("in major", "with a happy, major feel"),
    "tempo low": ("at an unhurried pace", "really slow"),
    "tempo high": ("at a brisk pace", "up-tempo"),
    "tempo lower": ("more laid-back", "a bit slower", "less hurried"),
    "tempo higher": ("a bit faster", "with more drive", "speed it up"),
    "loudness low": ("hushed", "on the quiet side"),
    "loudness high": ("forceful", "on the loud side"),
    "loudness lower": ("a little gentler", "turn it down a notch", "less forceful"),
    "loudness higher": ("a little stronger", "turn it up a notch", "more powerful"),
    "register low": ("low-pitched", "deep down"),
    "register high": ("high-pitched", "up high"),
    "register lower": ("in a lower range", "bring it down in pitch"),
    "register higher": ("in a higher range", "bring it up in pitch"),
    "players low": ("played by one musician", "for a lone player"),
    "players high": ("played by several musicians", "with a full group"),
    "players lower": ("sparser", "with a smaller group"),
    "players higher": ("fuller", "with a bigger group"),
    "reverb low": ("with no echo", "recorded close and dry"),
    "reverb high": ("echoing", "as if in a big hall"),
    "reverb lower": ("less echo", "closer to the microphone"),
    "reverb higher": ("more echo", "roomier"),
    "open": ("Got anything {}?", "I'd love to hear a piece {}.", "In the mood for music {}."),
    "refer": ("The {place} one is nearly it: {}.", "Number {n}, only {}.", "The {place} was good. This time {}."),
    "plain": ("Hmm, {}.", "Not quite: {}.", "How about something {}?"),
    "same": ("The {place} one is spot on, keep going.", "More along the lines of number {n}."),
}
