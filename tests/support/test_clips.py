"""The clip set is what its metadata says, and ``load_audio`` gives the right audio or an error."""

import json
import math
import re
import tomllib
import warnings

import librosa
import numpy as np
import pyloudnorm
import pytest
import soundfile
from run_notebooks import ROOT

from musicwords.clips import CLIPS, load_audio, load_clips

ROWS = [json.loads(line) for line in (CLIPS / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
NAMES = [row["name"] for row in ROWS]

FIELDS = ["file_name", "name", "title", "creator", "source", "licence", "production", "soundfont", "attributes",
          "captions", "qa"]  # fmt: skip
ATTRIBUTES = {"tempo_bpm", "meter", "key", "mode", "instruments", "families", "genre", "texture", "percussion",
              "dynamics", "loudness_lufs", "brightness_hz"}  # fmt: skip
FAMILIES = {"keyboard", "strings", "plucked strings", "brass", "woodwind", "voice", "mallets", "drums", "electronic",
            "free reed", "other"}  # fmt: skip
TEXTURES = {"monophonic", "homophonic", "polyphonic", "melody and accompaniment", "percussion", "drone"}
GENRES = {"ambient", "baroque", "bossa nova", "breakbeat", "chorale", "classical", "country", "drum and bass",
          "electronic", "folk", "funk", "hornpipe", "indian classical", "jazz", "jig", "lo-fi hip hop", "lullaby",
          "reel", "rock", "synth-pop", "techno", "waltz"}  # fmt: skip
PRODUCTIONS = {"rendered from a score", "composed and rendered by a recipe", "recording"}
PITCHES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]

LOUDNESS = -23.0  # LUFS, as in recipes/music/clips.py
SOFT_ATTACKS = {  # the onsets of these cannot be measured: each sound swells for longer than its neighbors last
    "chorale-choir": "choir voices fade into each other in a long reverberation",
    "quartet-adagio": "slow bow attacks, and syncopated inner voices instead of a beat",
}
METRICAL_FACTORS = (1 / 3, 1 / 2, 2 / 3, 1, 3 / 2, 2, 3)
# Krumhansl and Kessler (1982): how well each tone of the scale fits a major or a minor key.
PROFILES = {
    "major": [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
    "minor": [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
}


def each_clip(test):
    return pytest.mark.parametrize("row", ROWS, ids=NAMES)(test)


def audio_of(row) -> np.ndarray:
    return load_audio(CLIPS / row["file_name"])


# The metadata


def test_every_clip_has_a_file_and_every_file_a_clip():
    assert sorted(NAMES) == NAMES and len(NAMES) == len(set(NAMES))
    assert 24 <= len(NAMES) <= 32
    assert {row["file_name"] for row in ROWS} == {path.name for path in CLIPS.iterdir()} - {"metadata.jsonl"}


@each_clip
def test_schema(row):
    assert list(row) == FIELDS
    assert row["file_name"] == f"{row['name']}.ogg"
    assert all(row[field] for field in ("title", "creator", "source"))
    assert row["production"] in PRODUCTIONS
    assert row["licence"] == ("CC0 1.0" if row["production"] == "recording" else "CC BY 4.0")
    assert row["soundfont"] in {None, "FluidR3Mono (MIT)", "MuseScore General Lite (MIT)"}
    attributes = row["attributes"]
    assert set(attributes) == ATTRIBUTES
    assert attributes["instruments"] and len(set(attributes["instruments"])) == len(attributes["instruments"])
    assert attributes["families"] and set(attributes["families"]) <= FAMILIES
    assert attributes["genre"] in GENRES
    assert attributes["texture"] in TEXTURES
    assert attributes["dynamics"] in {"soft", "medium", "strong"}
    assert attributes["meter"] in {None, "2/4", "3/4", "4/4", "6/8"}
    assert attributes["key"] in {None, *PITCHES}
    assert attributes["mode"] in {None, "major", "minor"}
    assert (attributes["key"] is None) == (attributes["mode"] is None)
    assert attributes["tempo_bpm"] is None or 40 <= attributes["tempo_bpm"] <= 200
    assert isinstance(attributes["percussion"], bool)
    assert attributes["percussion"] == ("drums" in attributes["families"])


@each_clip
def test_captions(row):
    captions = row["captions"]
    assert list(captions) == ["tags", "sentence", "rich"]
    assert 5 <= len(captions["tags"].split(", ")) <= 12
    assert 8 <= len(captions["sentence"].split()) <= 15
    assert 25 <= len(captions["rich"].split()) <= 45
    assert captions["sentence"].endswith(".") and captions["rich"].endswith(".")
    if mode := row["attributes"]["mode"]:
        other = "minor" if mode == "major" else "major"
        assert not re.search(rf"\b{other}\b", " ".join(captions.values()))
    for word in re.findall(r"[A-Z]\w{3,}", row["creator"]):  # no composer or author in a caption
        assert word not in captions["sentence"] + captions["rich"]


def test_captions_are_unique():
    captions = [caption for row in ROWS for caption in row["captions"].values()]
    assert len(captions) == len(set(captions))


@each_clip
def test_question(row):
    options = row["qa"]["options"]
    assert len(options) == len(set(options)) == 4
    assert row["qa"]["answer"] in options
    assert row["qa"]["question"].endswith("?")


def test_answers_stand_in_all_places():
    places = [row["qa"]["options"].index(row["qa"]["answer"]) for row in ROWS]
    assert max(places.count(place) for place in range(4)) < len(ROWS) / 2


def test_the_set_covers_the_field():
    attributes = [row["attributes"] for row in ROWS]
    tempi = [entry["tempo_bpm"] for entry in attributes if entry["tempo_bpm"]]
    assert min(tempi) <= 50 and max(tempi) >= 165
    assert {entry["meter"] for entry in attributes} == {None, "2/4", "3/4", "4/4", "6/8"}
    assert {entry["mode"] for entry in attributes} == {None, "major", "minor"}
    assert {family for entry in attributes for family in entry["families"]} == FAMILIES
    assert {entry["texture"] for entry in attributes} == TEXTURES
    assert {row["production"] for row in ROWS} == PRODUCTIONS


def test_metadata_agrees_with_what_people_wrote():
    written = tomllib.loads((ROOT / "recipes" / "music" / "clips.toml").read_text(encoding="utf-8"))
    assert sorted(written) == NAMES
    for row in ROWS:
        entry = written[row["name"]]
        assert row["attributes"].items() >= entry["attributes"].items()
        for field in ("title", "creator", "source", "captions", "qa"):
            assert row[field] == entry[field], f"{row['name']}: make metadata.jsonl again with recipes/music/clips.py"


# The sound


@each_clip
def test_format(row):
    info = soundfile.info(CLIPS / row["file_name"])
    assert (info.frames, info.samplerate, info.channels) == (320_000, 32_000, 1)
    assert info.subtype == "VORBIS"
    assert (CLIPS / row["file_name"]).stat().st_size < 120_000


@each_clip
def test_loudness(row):
    measured = pyloudnorm.Meter(32_000).integrated_loudness(audio_of(row))
    assert measured == pytest.approx(LOUDNESS, abs=0.5)
    assert measured == pytest.approx(row["attributes"]["loudness_lufs"], abs=0.1)


@each_clip
def test_level(row):
    audio = audio_of(row)
    assert 20 * math.log10(np.abs(audio).max()) <= -1
    assert abs(audio.mean()) < 1e-3  # no DC
    levels = librosa.feature.rms(y=audio, frame_length=32_000, hop_length=8_000, center=False)
    assert 20 * np.log10(levels.min()) > -40  # no second is silent: the softest there is has -33 dB
    assert np.abs(audio[[0, -1]]).max() < 0.01  # faded, so that neither end clicks


@each_clip
def test_brightness(row):
    centroid = librosa.feature.spectral_centroid(y=audio_of(row), sr=32_000).mean()
    assert centroid == pytest.approx(row["attributes"]["brightness_hz"], rel=0.02)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["attributes"]["tempo_bpm"] and row["name"] not in SOFT_ATTACKS],
    ids=lambda row: row["name"],
)  # fmt: skip
def test_tempo(row):
    """The tempo estimated from onsets is the written one, or a metrical multiple, within 4 %."""
    written = row["attributes"]["tempo_bpm"]
    # SuperFlux settings (Böck and Widmer, 2013): vibrato makes no onsets. The estimator prefers tempi near
    # start_bpm by octaves, which settles at most the metrical level: it does not find a tempo that is not there.
    onsets = librosa.onset.onset_strength(y=audio_of(row), sr=32_000, hop_length=256, lag=4, max_size=3)
    estimate = librosa.feature.tempo(onset_envelope=onsets, sr=32_000, hop_length=256, start_bpm=written, ac_size=10)
    errors = [abs(estimate.item() / written / factor - 1) for factor in METRICAL_FACTORS]
    assert min(errors) < 0.04, f"{estimate.item():.1f} BPM measured, {written} written"


@pytest.mark.parametrize("row", [row for row in ROWS if row["attributes"]["key"]], ids=lambda row: row["name"])
def test_key(row):
    """The written key is among the three of 24 that fit the pitch classes best (1 in 8 by chance)."""
    harmonic = librosa.effects.harmonic(audio_of(row), margin=3)
    chroma = librosa.feature.chroma_cqt(y=harmonic, sr=32_000).mean(axis=1)
    fits = {
        (pitch, mode): np.corrcoef(chroma, np.roll(profile, place))[0, 1]
        for place, pitch in enumerate(PITCHES)
        for mode, profile in PROFILES.items()
    }
    best = sorted(fits, key=fits.get, reverse=True)[:3]
    assert (row["attributes"]["key"], row["attributes"]["mode"]) in best


@each_clip
def test_percussion(row):
    """Energy that is clearly percussive (harmonic-percussive separation with margin 3) tells drums from none.

    Measured: at most 1.3 % in clips without drums, at least 1.7 % in those with.
    """
    spectrum = np.abs(librosa.stft(audio_of(row)))
    _, percussive = librosa.decompose.hpss(spectrum, margin=3)
    share = (percussive**2).sum() / (spectrum**2).sum()
    assert (share > 0.015) == row["attributes"]["percussion"], f"{share:.4f}"


# Loading


def test_load_clips():
    clips = load_clips()
    assert list(clips["name"]) == NAMES
    clip = clips[3]
    assert set(clip) == {"audio", *FIELDS}
    audio = load_audio(clip["audio"]["path"])
    assert audio.shape == (320_000,) and audio.dtype == np.float32


def test_folder_is_an_audiofolder(tmp_path):
    pytest.importorskip("torchcodec", reason="audiofolder needs torchcodec and FFmpeg")
    import datasets

    clips = datasets.load_dataset("audiofolder", data_dir=str(CLIPS), split="train", cache_dir=str(tmp_path))
    assert clips["name"][:] == NAMES


SINE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000)).astype(np.float32)  # two seconds
FILES = {  # name -> how to write it
    "16-bit.wav": {"subtype": "PCM_16"}, "24-bit.wav": {"subtype": "PCM_24"}, "8-bit.wav": {"subtype": "PCM_U8"},
    "float.wav": {"subtype": "FLOAT"}, "double.wav": {"subtype": "DOUBLE"}, "sound.flac": {},
    "vorbis.ogg": {"subtype": "VORBIS"}, "opus.ogg": {"subtype": "OPUS"}, "sound.mp3": {}, "sound.aiff": {},
}  # fmt: skip

MISCOUNTED = {"vorbis.ogg": 128}  # samples that FFmpeg leaves out at the end of an Ogg of one page, 3 ms

UNHEARD = {"sound.mp3": 20}  # bytes at the end, which fill the last frame


def frequency(audio, sample_rate):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return spectrum.argmax() * sample_rate / len(audio)


@pytest.mark.parametrize("name", FILES)
def test_formats(tmp_path, name):
    soundfile.write(tmp_path / name, SINE, 48_000, **FILES[name])
    audio = load_audio(tmp_path / name, 48_000)
    assert audio.dtype == np.float32 and audio.ndim == 1
    assert len(audio) == pytest.approx(len(SINE), abs=MISCOUNTED.get(name, 0))
    assert frequency(audio, 48_000) == pytest.approx(440, abs=1)
    assert np.sqrt((audio**2).mean()) == pytest.approx(0.5 / math.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
def test_resampling(tmp_path, rate):
    sine = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)
    soundfile.write(tmp_path / "sound.wav", sine, rate)
    audio = load_audio(tmp_path / "sound.wav")
    assert audio.shape == (64_000,) and audio.dtype == np.float32
    assert frequency(audio, 32_000) == pytest.approx(440, abs=1)
    assert np.abs(audio[3_200:-3_200]).max() == pytest.approx(0.5, abs=0.01)


def test_stereo_is_averaged(tmp_path):
    soundfile.write(tmp_path / "stereo.wav", np.stack([SINE, np.zeros_like(SINE)], axis=1), 48_000, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(tmp_path / "stereo.wav", 48_000), SINE / 2, atol=1e-6)


def test_overshoot_is_clipped(tmp_path):
    soundfile.write(tmp_path / "hot.wav", 3 * SINE, 48_000, subtype="FLOAT")
    assert np.abs(load_audio(tmp_path / "hot.wav", 48_000)).max() == 1


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No audio file .*nowhere\.wav"):
        load_audio(tmp_path / "nowhere.wav")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("empty.wav", b"", "empty"), ("text.wav", b"This is not audio.\n" * 500, "cannot be read"),
     ("text.ogg", "Das auch nicht: \u266b".encode() * 500, "cannot be read"),
     ("zeros.mp3", bytes(5_000), "cannot be read")],
)  # fmt: skip
def test_files_that_are_no_audio(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}.*{message}"):
        load_audio(tmp_path / name)


def test_no_samples(tmp_path):
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 48_000)
    with pytest.raises(ValueError, match=r"nothing\.wav cannot be read: It holds no samples"):
        load_audio(tmp_path / "nothing.wav")


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (np.inf, "NaN or infinite"), (12_000, "integers")])
def test_values_that_are_no_samples(tmp_path, value, message):
    samples = SINE.copy()
    samples[500] = value
    soundfile.write(tmp_path / "bad.wav", samples, 48_000, subtype="FLOAT")
    with pytest.raises(ValueError, match=rf"bad\.wav.*{message}"):
        load_audio(tmp_path / "bad.wav")


@pytest.mark.parametrize("name", FILES)
def test_cut_off_files_are_never_read_in_silence(tmp_path, name):
    """Cut at some 100 places, header and last byte among them: never a shorter sound without a word."""
    path = tmp_path / name
    rng = np.random.default_rng(0)
    soundfile.write(path, SINE + 0.02 * rng.standard_normal(len(SINE)).astype(np.float32), 48_000, **FILES[name])
    data = path.read_bytes()
    places = {1, 3, 4, 12, 27, 40, 43, 44, 60, len(data) - 1, len(data) - 2, len(data) - 20}
    if path.suffix == ".ogg":  # the ends of pages, where what is left is a well-formed stream
        places |= {match.start() for match in re.finditer(b"OggS", data)} - {0}
    silent = []
    for place in sorted(places | set(np.linspace(100, len(data) - 1, 90).astype(int).tolist())):
        path.write_bytes(data[:place])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                load_audio(path)
            except ValueError as error:
                said.append(error)
        if not any(name in str(getattr(one, "message", one)) for one in said):
            silent.append(len(data) - place)
    assert [left for left in silent if left > UNHEARD.get(name, 0)] == []


@each_clip
def test_cut_off_clips_are_read_with_a_warning(tmp_path, row):
    data, whole = (CLIPS / row["file_name"]).read_bytes(), audio_of(row)
    for share in (0.5, 0.9, 0.999):
        (tmp_path / "cut.ogg").write_bytes(data[: int(share * len(data))])
        with pytest.warns(UserWarning, match=r"cut\.ogg: It ends early\. Copy or download it again"):
            audio = load_audio(tmp_path / "cut.ogg")
        assert len(audio) < len(whole)
        np.testing.assert_allclose(audio[:-1000], whole[: len(audio) - 1000], atol=1e-3)
