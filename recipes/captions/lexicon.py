"""The words of the captions: what each attribute value is called, and which wordings are kept for test.

In the tables, ``;`` separates surface forms, and those after ``//`` are held out: they are used in test captions
only. A surface form means one value of one attribute. An instrument's form is a singular noun, or a plural if it
ends in ``*``, or a mass noun if it ends in ``~``.
"""

import re
from dataclasses import dataclass

TEMPO_LIMITS = (76, 120)  # BPM: slow up to the first, fast from the second, as in corpus

# Slots: "adj" stands before a noun, "noun" takes an article, "pp" follows a noun, "vp" follows "it",
# "tag" stands alone (adjectives do too).
WORDS = {
    "tempo_class": {
        "slow": {
            "adj": "slow; unhurried; slow-moving; leisurely; slow-paced // dawdling; slow-footed",
            "pp": "at a slow tempo; at a slow pace; at a leisurely pace // at a crawling pace; at a low speed",
            "vp": "moves slowly; takes its time; unfolds slowly; moves at a slow pace // ambles along; never hurries",
            "tag": "slow tempo; adagio; largo // lento; low tempo",
        },
        "medium": {
            "adj": "mid-tempo; moderately paced; medium-tempo // middling-tempo; medium-paced",
            "pp": "at a moderate tempo; at a medium pace; at a walking pace; at a moderate pace "
            "// at a middling speed; at a comfortable speed",
            "vp": "moves at a moderate pace; keeps a medium tempo; walks along; moves neither slowly nor quickly "
            "// strolls along; keeps to an average speed",
            "tag": "moderate tempo; medium tempo; andante; moderato // allegretto; average speed",
        },
        "fast": {
            "adj": "fast; brisk; quick; lively; up-tempo; fast-paced; fast-moving // rapid; speedy; high-tempo",
            "pp": "at a fast tempo; at a brisk pace; at a quick pace; at a lively clip "
            "// at high speed; at a rapid rate",
            "vp": "races along; moves quickly; rushes forward; keeps a brisk pace // speeds by; hurries along",
            "tag": "fast tempo; presto; allegro // vivace; rapid pulse",
        },
    },
    "mode": {
        "major": {
            "adj": "major-key; major-mode // major-scale",
            "pp": "in a major key; in major; in the major mode; in a major tonality "
            "// built on a major scale; with a major flavour",
            "vp": "is in a major key; stays in major; uses a major key // rests on a major scale; is set in major",
            "tag": "major key; major; major mode; major tonality // major scale; major flavour",
        },
        "minor": {
            "adj": "minor-key; minor-mode // minor-scale",
            "pp": "in a minor key; in minor; in the minor mode; in a minor tonality "
            "// built on a minor scale; with a minor flavour",
            "vp": "is in a minor key; stays in minor; uses a minor key // rests on a minor scale; is set in minor",
            "tag": "minor key; minor; minor mode; minor tonality // minor scale; minor flavour",
        },
    },
    "texture": {
        "solo": {
            "noun": "solo; solo piece; unaccompanied piece; solo performance // piece for one player; lone performance",
            "adj": "solo; unaccompanied; single-instrument // single-player",
            "pp": "played by a single instrument; played solo // played without accompaniment",
            "vp": "uses a single instrument; is played solo; has just one instrument "
            "// belongs to one player; leaves one instrument all by itself",
            "tag": "solo instrument; single instrument // one player; alone",
        },
        "duet": {
            "noun": "duet; duo; duet performance // piece for two players; dialogue of two instruments",
            "adj": "two-instrument // two-player",
            "pp": "played as a duet; played by two instruments // played as a pair",
            "vp": "pairs two instruments; is a duet; has two instruments // is shared between two players",
            "tag": "two instruments // pair of players; two players",
        },
        "ensemble": {
            "noun": "ensemble piece; ensemble performance; piece for several instruments "
            "// group performance; piece for a whole group",
            "adj": "ensemble; multi-instrument // group",
            "pp": "played by an ensemble; played by several instruments // played by a group",
            "vp": "brings several instruments together; is played by an ensemble; uses several instruments "
            "// joins many players; is a group effort",
            "tag": "several instruments; many instruments // group of players; band of players",
        },
    },
    "meter": {
        "4/4": {
            "adj": "four-four // four-beat",
            "pp": "in 4/4; in four-four time; in common time; with four beats to the bar "
            "// in quadruple metre; counted in four",
            "vp": "has four beats to the bar; is in four-four time; keeps common time // counts to four in every bar",
            "tag": "4/4; 4/4 time; common time // quadruple metre",
        },
        "3/4": {
            "adj": "triple-time; three-four // three-beat",
            "pp": "in 3/4; in three-four time; in triple time; with three beats to the bar "
            "// in triple metre; counted in three",
            "vp": "has three beats to the bar; is in triple time; keeps three-four time "
            "// counts to three in every bar",
            "tag": "3/4; 3/4 time; triple time // triple metre",
        },
        "6/8": {
            "adj": "six-eight // six-beat",
            "pp": "in 6/8; in six-eight time; in six-eight; in compound time // in compound metre; counted in six",
            "vp": "is in six-eight time; keeps compound time; moves in six-eight // counts to six in every bar",
            "tag": "6/8; 6/8 time; compound time // compound metre",
        },
        "9/8": {
            "adj": "nine-eight // nine-beat",
            "pp": "in 9/8; in nine-eight time; in nine-eight // counted in nine",
            "vp": "is in nine-eight time; moves in nine-eight // counts to nine in every bar",
            "tag": "9/8; 9/8 time // counted in nine",
        },
        "12/8": {
            "adj": "twelve-eight // twelve-beat",
            "pp": "in 12/8; in twelve-eight time; in twelve-eight // counted in twelve",
            "vp": "is in twelve-eight time; moves in twelve-eight // counts to twelve in every bar",
            "tag": "12/8; 12/8 time // counted in twelve",
        },
        "2/4": {
            "adj": "two-four // two-beat",
            "pp": "in 2/4; in two-four time; in two-four; with two beats to the bar "
            "// in simple duple metre; counted in two",
            "vp": "has two beats to the bar; is in two-four time; keeps two-four time // counts to two in every bar",
            "tag": "2/4; 2/4 time; two-four time // simple duple metre",
        },
    },
    "dynamics": {
        "soft": {
            "adj": "soft; quiet; gentle; delicate // hushed; muted; subdued",
            "pp": "at a low volume; with a gentle touch; with a soft touch // at a whisper; with quiet restraint",
            "vp": "is played softly; stays quiet; is gently played; remains soft throughout "
            "// barely rises above a whisper; never gets loud",
            "tag": "softly played; gentle dynamics; soft dynamics // pianissimo; hushed dynamics",
        },
        "medium": {
            "adj": "moderately loud; medium-volume // medium-loud",
            "pp": "at a moderate volume; at a medium volume; with moderate dynamics "
            "// at an average volume; at a middling level",
            "vp": "is played at a moderate volume; stays at a medium volume; keeps moderate dynamics "
            "// is neither loud nor quiet; keeps to an average volume",
            "tag": "moderate volume; mezzo-forte; medium dynamics // average volume; medium loudness",
        },
        "strong": {
            "adj": "loud; forceful; powerful; vigorous // emphatic; full-blooded; mighty",
            "pp": "at a high volume; with great force; with a strong attack // at full volume; with real punch",
            "vp": "is played loudly; is played with force; is played vigorously; stays loud "
            "// hits hard; holds nothing back",
            "tag": "strong dynamics; forte; loud playing // fortissimo; hard-hitting",
        },
    },
    "articulation": {
        "legato": {
            "adj": "legato; smooth; flowing; smoothly phrased // seamless; gliding",
            "pp": "with smooth phrasing; with connected notes; with long legato lines "
            "// with slurred notes; with seamless lines",
            "vp": "flows smoothly; is played legato; connects its notes smoothly; is smoothly phrased "
            "// slurs its notes; glides from note to note",
            "tag": "smooth phrasing; connected notes; legato phrasing // slurred notes; sustained lines",
        },
        "staccato": {
            "adj": "staccato; clipped; detached; crisply articulated // choppy; spiky",
            "pp": "with short notes; with staccato notes; with short detached notes "
            "// with clipped attacks; with pointed notes",
            "vp": "is played staccato; uses short detached notes; keeps its notes short; separates its notes clearly "
            "// chops its notes off; hops from note to note",
            "tag": "short notes; detached notes; staccato playing // pointed notes; choppy phrasing",
        },
    },
    "register": {
        "low": {
            "adj": "low-pitched; deep; low-register // deep-toned; low-lying",
            "pp": "in a low register; in the low register; in a deep register // down in the depths; at a low pitch",
            "vp": "sits in a low register; stays low in pitch; uses deep notes "
            "// dwells in the depths; keeps to the bottom range",
            "tag": "low register; low notes; deep notes // bottom range; low pitch",
        },
        "middle": {
            "adj": "mid-register; middle-register // mid-pitched",
            "pp": "in a middle register; in the middle register; in the middle range // around the middle of the range",
            "vp": "sits in the middle register; stays in the middle range; uses the middle register "
            "// is neither high nor low in pitch; keeps to the central range",
            "tag": "middle register; mid-range notes; middle range // central range; medium pitch",
        },
        "high": {
            "adj": "high-pitched; high-register; high-lying // treble-heavy; high-toned",
            "pp": "in a high register; in the high register; in the upper register "
            "// up in the heights; at a high pitch",
            "vp": "sits in a high register; stays high in pitch; uses high notes "
            "// dwells in the heights; keeps to the top range",
            "tag": "high register; high notes; upper register // top range; high pitch",
        },
    },
    "room": {
        "dry": {
            "adj": "dry; dry-sounding; close-miked // echo-free; bone-dry",
            "pp": "recorded close and dry; with a dry sound; in a dry acoustic "
            "// recorded in a dead room; with very little reverb",
            "vp": "sounds dry and close; has a dry sound; is recorded close and dry "
            "// carries hardly any echo; sounds boxed in",
            "tag": "dry sound; close and dry; dry acoustic // dead room; close recording",
        },
        "room": {
            "adj": "slightly reverberant; lightly reverberant // chamber-sized",
            "pp": "with a little reverb; recorded in a small room; with light reverb; in a room acoustic "
            "// with a short reverb tail; recorded in a living room",
            "vp": "has a little reverb; sounds like a small room; carries light reverb "
            "// has a short reverb tail; sounds roomy",
            "tag": "light reverb; small room; room sound // short reverb tail; living room",
        },
        "hall": {
            "adj": "reverberant; echoing; spacious-sounding // echoey; cavernous",
            "pp": "in a large hall; with long reverb; recorded in a concert hall; with plenty of reverb "
            "// in a big space; with a long echo",
            "vp": "echoes through a large hall; has long reverb; rings out in a concert hall; sounds reverberant "
            "// fills a cavernous space; leaves a long echo",
            "tag": "large hall; concert hall; long reverb; hall acoustic // long echo; big space",
        },
    },
    "percussion": {
        True: {
            "adj": "percussion-backed; beat-driven // drum-led",
            "pp": "with percussion; over a drum beat; with a drum groove; backed by percussion; driven by drums "
            "// on top of drumming; propelled by a percussion part",
            "vp": "has percussion; is backed by percussion; is driven by a drum beat; has a drum groove "
            "// comes with drumming; gets its pulse from a percussion part",
            "tag": "percussion; drum beat; drum groove // drumming; percussion part",
        },
    },
    "mood": {
        "happy": {
            "adj": "cheerful; happy; joyful; upbeat // merry; jolly",
            "vp": "sounds cheerful; sounds happy; has a joyful mood // puts a smile on your face; sounds merry",
            "tag": "cheerful mood; happy mood; joyful mood // merry mood; good mood",
        },
        "sad": {
            "adj": "sad; melancholy; sombre; mournful // sorrowful; plaintive",
            "vp": "sounds sad; sounds melancholy; has a sombre mood // brings tears to the eyes; sounds sorrowful",
            "tag": "sad mood; melancholy mood; sombre mood // sorrowful mood; grief",
        },
        "tense": {
            "adj": "tense; agitated; restless; dramatic // nervous; stormy",
            "vp": "sounds tense; sounds agitated; has a restless mood // keeps you on edge; sounds nervous",
            "tag": "tense mood; restless mood; agitated mood // nervous mood; stormy mood",
        },
        "calm": {
            "adj": "calm; peaceful; serene; tranquil // restful; soothing",
            "vp": "sounds calm; sounds peaceful; has a serene mood // puts the mind at rest; sounds soothing",
            "tag": "calm mood; peaceful mood; serene mood // restful mood; relaxation",
        },
    },
}
MOODS = {  # tempo and mode -> what most people would say
    ("fast", "major"): "happy",
    ("slow", "minor"): "sad",
    ("fast", "minor"): "tense",
    ("slow", "major"): "calm",
}

# What is said when there are no drums. The second list is also wrong beside a marimba.
NO_DRUMS = {
    "adj": "drumless // drum-free",
    "pp": "without drums; with no drums; without any drums // free of drums; with absolutely no drums",
    "vp": "has no drums; does without drums; leaves out the drums // never uses drums; lets the drums stay silent",
    "tag": "no drums; without a drum kit // zero drums; drums absent",
}
NO_PERCUSSION = {
    "pp": "without percussion; with no percussion // free of percussion",
    "vp": "has no percussion; does without percussion // never uses percussion",
    "tag": "no percussion; percussion-free // zero percussion",
}

# Pieces of a kind are called by name ("a jig"); styles are put before a noun ("a rock track").
KINDS = {
    "chorale": "chorale; hymn; hymn tune // chorale setting; congregational hymn",
    "string quartet": "string quartet; string quartet movement // quartet for strings",
    "trio sonata": "trio sonata; trio sonata movement // sonata in three parts",
    "sonata": "sonata; sonata movement // excerpt from a sonata",
    "fugue": "fugue; fugal piece // strict fugue",
    "dance tune": "dance tune; traditional dance tune; country dance tune // folk dance tune; old dance melody",
    "slip jig": "slip jig; slip jig tune // slip jig dance; hop jig",
    "clog": "clog dance; clog dance tune // clog dancing tune",
    "jig": "jig; jig tune; dance tune in jig rhythm // jig dance; skipping jig",
    "reel": "reel; reel tune; dance tune in reel rhythm // reel dance; country reel",
    "hornpipe": "hornpipe; hornpipe tune // hornpipe dance; sailor's dance",
    "waltz": "waltz; waltz tune // waltz dance; waltzing piece",
    "polka": "polka; polka tune // polka dance",
    "march": "march; march tune; marching tune // parade march",
    "minuet": "minuet; minuet movement // minuet dance",
    "strathspey": "strathspey; strathspey tune // strathspey dance",
    "air": "air; song-like air // lyrical air",
    "lullaby": "lullaby; cradle song // bedtime song",
    "ballad": "ballad; ballad tune // ballad song",
}
STYLES = {
    "rock": "rock; rock-style // rock-flavoured",
    "metal": "metal; heavy metal // metal-style",
    "techno": "techno; techno-style // techno-flavoured",
    "house": "house; house-style // house-flavoured",
    "trance": "trance; trance-style // trance-flavoured",
    "ambient": "ambient; ambient-style // soundscape-like",
    "funk": "funk; funky // funk-flavoured",
    "disco": "disco; disco-style // disco-flavoured",
    "bossa nova": "bossa nova; bossa-style // bossa-flavoured",
    "samba": "samba; samba-style // samba-flavoured",
    "lo-fi": "lo-fi; lo-fi hip hop // chillhop; lo-fi-flavoured",
    "hip hop": "hip hop; hip-hop-style // rap-style",
    "drum and bass": "drum and bass; drum'n'bass // dnb; jungle-style",
    "breakbeat": "breakbeat; breakbeat-style // breakbeat-flavoured",
    "synth-pop": "synth-pop; synth-pop-style // electropop",
    "swing": "swing; swing-style // swing-era",
    "jazz": "jazz; jazzy // jazz-flavoured",
    "blues": "blues; bluesy // blues-flavoured",
    "country": "country; country-style // country-flavoured",
    "folk": "folk; folk-style // folk-flavoured",
    "reggae": "reggae; reggae-style // reggae-flavoured",
    "classical": "classical; classical-style // conservatoire-style",
    "baroque": "baroque; baroque-style // baroque-flavoured",
    "electronic": "electronic; electronic-style // electronically produced",
}
STYLE_NOUNS = "track; piece; tune // number; cut"
BARE_NOUNS = "piece; passage; performance // composition; selection"

BOWED = {"violin", "viola", "cello", "contrabass", "fiddle"}
COLLECTIVE = {"string ensemble", "brass section", "choir"}  # many players under one name
MALLETS = {"marimba", "vibraphone", "glockenspiel", "music box"}  # percussion, but not drums
DRUMS = {"drums", "electronic drums", "hand drums", "tabla", "timpani"}
# name: surface forms | what it is easily taken for (no distractor of a question comes from there)
INSTRUMENTS = {
    "violin": "violin | strings",
    "viola": "viola | strings",
    "cello": "cello // violoncello | strings",
    "contrabass": "contrabass; double bass // string bass | strings bass",
    "fiddle": "fiddle // folk fiddle | strings",
    "string ensemble": "string ensemble; string section; string orchestra // massed strings* | strings",
    "piano": "piano; acoustic piano // grand piano; concert grand | piano",
    "electric piano": "electric piano; e-piano // Rhodes-style piano | piano",
    "harpsichord": "harpsichord // cembalo | harpsichord clavinet",
    "clavinet": "clavinet // clav | harpsichord clavinet",
    "church organ": "church organ; pipe organ // cathedral organ | reeds-and-pipes",
    "accordion": "accordion // squeezebox | reeds-and-pipes",
    "music box": "music box; musical box // clockwork music box | metal-bars",
    "vibraphone": "vibraphone; vibes* // vibraharp | metal-bars",
    "glockenspiel": "glockenspiel // orchestral bells* | metal-bars",
    "marimba": "marimba // wooden marimba | marimba",
    "guitar": "guitar | guitar",
    "acoustic guitar": "acoustic guitar; unplugged guitar // unamplified guitar | guitar",
    "nylon-string guitar": "nylon-string guitar; classical guitar // Spanish guitar | guitar",
    "electric guitar": "electric guitar; e-guitar // amplified guitar | guitar",
    "harp": "harp // concert harp; pedal harp | harp",
    "banjo": "banjo // five-string banjo | guitar",
    "mandolin": "mandolin | guitar",
    "bass": "bass | bass",
    "electric bass": "electric bass; bass guitar; electric bass guitar // e-bass | bass",
    "slap bass": "slap bass; slapped bass // slap-style bass | bass",
    "acoustic bass": "acoustic bass; upright bass // stand-up bass | bass strings",
    "trumpet": "trumpet | brass",
    "trombone": "trombone // slide trombone | brass",
    "french horn": "French horn; horn // orchestral horn | brass",
    "tuba": "tuba | brass",
    "brass section": "brass section; brass ensemble; horn section // massed brass~ | brass",
    "saxophone": "saxophone // sax | saxophone",
    "soprano saxophone": "soprano saxophone // soprano sax | saxophone",
    "alto saxophone": "alto saxophone // alto sax | saxophone",
    "tenor saxophone": "tenor saxophone // tenor sax | saxophone",
    "clarinet": "clarinet | woodwind",
    "oboe": "oboe | woodwind",
    "bassoon": "bassoon | woodwind",
    "flute": "flute // concert flute; transverse flute | flutes",
    "piccolo": "piccolo // piccolo flute | flutes",
    "recorder": "recorder // block flute | flutes",
    "choir": "choir; chorus; vocal ensemble // choral voices*; group of singers | voice",
    "synthesizer": "synthesizer; synth // electronic keyboard | synthesizer",
    "synthesizer lead": "synthesizer lead; synth lead; lead synth // lead synthesizer | synthesizer",
    "synthesizer pad": "synthesizer pad; synth pad // pad synth; synthetic pad | synthesizer strings",
    "synthesizer bass": "synthesizer bass; synth bass; bass synth // synthetic bass | synthesizer bass",
    "synthesizer bell": "synthesizer bell; synth bell // bell-like synth; synthetic bell | synthesizer metal-bars",
    "synthesizer stab": "synthesizer stab; synth stab // synthetic stab | synthesizer",
    "drums": "drums*; drum kit; drum set // acoustic drums* | drums",
    "electronic drums": "electronic drums*; drum machine; programmed drums* // electronic kit; drum computer | drums",
    "hand drums": "hand drums*; hand percussion~ // drums played by hand* | drums",
    "glass": "glass; ringing glass~ // wine glass; struck glass | glass",
    "tabla": "tabla // tabla drums* | drums",
    "timpani": "timpani* // kettledrums* | drums",
}
# name: one instrument of the family | several
FAMILIES = {
    "keyboard": "keyboard instrument // instrument with keys | keyboard instruments*; keyboards* // keys*",
    "strings": "bowed string instrument // bowed instrument | bowed strings*; string instruments* "
    "// strings played with bows*",
    "plucked strings": "plucked string instrument // plucked instrument | plucked strings* // picked strings*",
    "brass": "brass instrument // brass wind instrument | brass~; brass instruments* // brass players*",
    "woodwind": "woodwind instrument // woodwind player | woodwinds*; woodwind instruments* // woodwind players*",
    "voice": "human voice // singing voice | voices*; human voices* // singers*; vocals*",
    "mallets": "mallet instrument // tuned bar instrument | mallet instruments*; mallets* // tuned bars*",
    "electronic": "electronic instrument // electronic sound source | electronic sounds*; electronic instruments* "
    "// electronic tones*",
}

# How instruments are joined to a piece. Those with "{an}" put an article before each instrument.
ALL_PLAYERS = "for {}; played by {an}; with {an} // scored for {}; performed by {an}"
SOME_PLAYERS = "led by {an}; featuring {an} // centred on {an}; built around {an}"

SYNONYMS = {  # understood when read, never written
    "tempo_class": {"slow": "slowly", "medium": "midtempo; moderate", "fast": "quickly; fast paced; uptempo"},
    "dynamics": {"soft": "softly; quietly; gently", "strong": "loudly; strong"},
    "articulation": {"legato": "smoothly", "staccato": "detached"},
    "percussion": {True: "percussive; drum beats; drum; drum loop; drum pattern"},
    "room": {"dry": "dry room", "hall": "big hall; church acoustics; cathedral acoustics; reverb"},
    "families": {
        "strings": "strings",
        "woodwind": "woodwind",
        "keyboard": "keyboard",
        "voice": "vocal",
        "electronic": "electronics",
    },
    "texture": {"ensemble": "group of instruments; full band"},
}


@dataclass(frozen=True)
class Form:
    """One surface form.

    Attributes
    ----------
    text : the words, without a mark of number
    number : "singular", "plural" or "mass"
    """

    text: str
    number: str = "singular"


Forms = dict[str, tuple[Form, ...]]  # "train" and "test" -> surface forms


def split(cell: str) -> Forms:
    """Return the surface forms of a cell of the tables, by the wording that may use them."""
    train, _, test = cell.partition("//")
    forms = {}
    for wording, part in (("train", train), ("test", test)):
        texts = [text.strip() for text in part.split(";") if text.strip()]
        numbers = [{"*": "plural", "~": "mass"}.get(text[-1], "singular") for text in texts]
        forms[wording] = tuple(Form(t.rstrip("*~"), n) for t, n in zip(texts, numbers, strict=True))
    return forms


def plural(noun: str) -> str:
    """Return the plural of the name of an instrument."""
    if noun.startswith(("group of ", "instrument with ", "drums played")):
        return noun.replace("group", "groups").replace("instrument", "instruments")
    return noun + ("es" if re.search(r"(s|x|ch|sh|brass)$", noun) else "s")


def normalize(text: str) -> str:
    """Return text in lower case with plain quotes, without hyphens and extra spaces."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"(?<=\w)\s*[-‐‑]\s*(?=\w)", " ", text)
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    return re.sub(r"\s*/\s*(?=\d)", "/", re.sub(r"\s+", " ", text)).strip()


def tempo_class(bpm: float) -> str:
    """Return "slow", "medium" or "fast" for beats a minute."""
    slow, fast = TEMPO_LIMITS
    return "slow" if bpm <= slow else "fast" if bpm >= fast else "medium"


# attribute -> value -> slot -> forms
SLOTS: dict[str, dict[object, dict[str, Forms]]] = {
    attribute: {value: {slot: split(cell) for slot, cell in slots.items()} for value, slots in values.items()}
    for attribute, values in WORDS.items()
}
KIND_FORMS = {name: split(cell) for name, cell in KINDS.items()}
STYLE_FORMS = {name: split(cell) for name, cell in STYLES.items()}
INSTRUMENT_FORMS = {name: split(cell.partition("|")[0]) for name, cell in INSTRUMENTS.items()}
KIN = {name: frozenset(cell.partition("|")[2].split()) for name, cell in INSTRUMENTS.items()}
FAMILY_FORMS = {name: tuple(split(part) for part in cell.split("|")) for name, cell in FAMILIES.items()}
NEGATIONS = [{slot: split(cell) for slot, cell in table.items()} for table in (NO_DRUMS, NO_PERCUSSION)]


def vocabulary() -> list[tuple[Form, str, object, str]]:
    """Return every surface form that means something, with attribute, value and wording ("train" or "test")."""
    tables = [("percussion", False, forms) for table in NEGATIONS for forms in table.values()]
    tables += [(a, v, forms) for a, values in SLOTS.items() for v, slots in values.items() for forms in slots.values()]
    tables += [("idiom", name, forms) for name, forms in (KIND_FORMS | STYLE_FORMS).items()]
    tables += [("instruments", name, forms) for name, forms in INSTRUMENT_FORMS.items()]
    tables += [("families", name, forms) for name, both in FAMILY_FORMS.items() for forms in both]
    return [(form, a, v, wording) for a, v, forms in tables for wording, row in forms.items() for form in row]
