"""The corpus recipe: what its records say is what is heard, and its splits keep apart what they promise."""

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import combinations

import numpy as np
import pytest
from run_notebooks import ROOT

for module in ("music21", "tinysoundfont", "tqdm"):
    pytest.importorskip(module, reason="needs recipes/requirements.txt and recipes/requirements-nodeps.txt")

# A few works of each family, with likenesses in other keys: one chorale melody, one tune under two titles.
CHORALES = ["bwv104.6", "bwv112.5", "bwv108.6", "bwv10.7", "bwv110.7"]
TUNES = ["LandLeague", "LandLeagueJig", "MasonsApronReel", "MasonsCapReel", "DandyMikesReel", "MaidOfArgylesReel",
         "ArielHornpipe", "SoldiersJoy", "AlbemarleHornpipe", "AspinwallHornpipe"]  # fmt: skip
QUARTETS = ["mozart/k155/movement3.mxl", "beethoven/opus18no1/movement3.mxl"]


@pytest.fixture(autouse=True, scope="module")
def materials():
    """Import the recipes, and skip where sound fonts or samples are not installed."""
    from recipes.corpus import render
    from recipes.corpus.plan import TRAINED_FONTS
    from recipes.music.pieces import from_recordings

    try:
        for font in TRAINED_FONTS:
            render.check_font(font)
        from_recordings.sample("drum_bass_hard")
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Folder of parsed scores, and the works in it."""
    from recipes.corpus import works

    folder = tmp_path_factory.mktemp("scores")
    wanted = {f"bach/{name}.mxl" for name in CHORALES} | {f"ryansMammoth/{name}.abc" for name in TUNES} | set(QUARTETS)
    entries = [entry for entry in works.catalog() if entry[0] in wanted]
    assert len(entries) == len(wanted)
    for entry in entries:
        works.parse(entry, folder)
    return folder, [work for entry in entries if (work := works.load(folder, entry[0]))]


@pytest.fixture(scope="module")
def rendered(scores):
    """Some clips of every kind of source: (plan, samples, record)."""
    from dataclasses import replace

    from recipes.corpus import render
    from recipes.corpus.plan import plan_clip

    by_id = {work.id: work for work in scores[1]}
    pools = {("train", "chorale"): ["bach/bwv104.6.mxl"], ("train", "quartet"): ["mozart/k155/movement3.mxl"],
             ("train", "dance tune"): ["ryansMammoth/AlbemarleHornpipe.abc"]}  # fmt: skip
    pools = {key: [name for name in names if name in by_id] for key, names in pools.items()}
    assert all(pools.values())
    plans = [replace(plan_clip("train", index, pools), font="FluidR3Mono") for index in range(16)]
    return [(plan, *render.make_clip(plan, by_id.get(plan.work))) for plan in plans]


def test_no_work_melody_or_title_is_in_two_splits(scores):
    from recipes.corpus.splits import alike, assign, fingerprint, normalized_title
    from recipes.corpus.works import HELD_OUT_COLLECTIONS

    works = scores[1]
    found = 0
    for seed in range(5):
        splits = assign(works, seed)
        assert set(splits) == {work.id for work in works}
        for first, second in combinations(works, 2):
            same = alike(fingerprint(first.parts[0]), fingerprint(second.parts[0]))
            same = same or (normalized_title(first) or 1) == (normalized_title(second) or 2)
            found += same
            assert not same or splits[first.id] == splits[second.id], (first.id, second.id)
        for work in works:
            assert (splits[work.id] == "collection") == (work.collection in HELD_OUT_COLLECTIONS)
    assert found >= 5 * 4  # the likenesses are seen: the test compares something


def test_works_of_the_clip_set_are_never_trained_on(scores):
    from recipes.corpus.splits import assign, works_of_clips

    evaluated = works_of_clips()
    assert {"bach/bwv350.mxl", "ryansMammoth/SoldiersJoy.abc", "mozart/k458/movement1.mxl"} <= evaluated
    splits = assign(scores[1])
    ours = evaluated & set(splits)
    assert ours
    assert {splits[work] for work in ours} == {"test"}


def test_a_fingerprint_knows_a_melody_in_another_key_and_rhythm():
    from recipes.corpus.splits import alike, fingerprint
    from recipes.music.scores import Note

    rng = np.random.default_rng(0)
    pitches = 60 + np.cumsum(rng.integers(-3, 4, 40))
    tune = [Note(float(index), 1.0, int(pitch)) for index, pitch in enumerate(pitches)]
    other = [note._replace(onset=note.onset * 0.5, duration=0.4, pitch=note.pitch + 5) for note in tune]
    backwards = [note._replace(onset=40 - note.onset) for note in tune]
    assert alike(fingerprint(tune), fingerprint(other))
    assert not alike(fingerprint(tune), fingerprint(backwards))


def plans(clips):
    from recipes.corpus.plan import SOURCES, plan_clip

    pools = {(split, source): [f"{split}/{source}/{index}" for index in range(9)]
             for split in ("train", "test", "collection") for source in SOURCES}  # fmt: skip
    return {split: [plan_clip(split, index, pools) for index in range(clips)]
            for split in ("train", "test", "collection", "font", "combination")}  # fmt: skip


def test_held_out_combinations_and_fonts_are_only_where_they_belong():
    from recipes.corpus.plan import HELD_OUT, TRAINED_FONTS, UNHEARD_FONT

    drawn = plans(2000)
    for split, some in drawn.items():
        held_out = {HELD_OUT.get(plan.family) == (plan.tempo_class, plan.percussion) for plan in some}
        assert held_out == {split == "combination"}, split
        assert {plan.font for plan in some} == ({UNHEARD_FONT} if split == "font" else set(TRAINED_FONTS))
    for split in ("font", "combination"):
        assert all(plan.work.startswith(("test/", f"procedural/{split}")) for plan in drawn[split])


def test_what_is_drawn_for_a_clip_is_independent():
    from recipes.corpus.report import cramers_v

    train = plans(4000)["train"]
    columns = {name: [getattr(plan, name) for plan in train]
               for name in ("family", "tempo_class", "percussion", "source_family", "font")}  # fmt: skip
    for first, second in combinations(columns, 2):
        assert cramers_v(columns[first], columns[second]) < 0.06, (first, second)


def test_cramers_v():
    from recipes.corpus.report import cramers_v

    rng = np.random.default_rng(0)
    first, second = rng.integers(4, size=(2, 2000)).tolist()
    assert cramers_v(first, second) < 0.05
    assert cramers_v(first, [{0: "a", 1: "b", 2: "c", 3: "d"}[value] for value in first]) == pytest.approx(1)
    assert cramers_v(first, [None] * 2000) == 0


def test_a_clip_is_the_same_when_made_again(rendered, scores):
    from recipes.corpus import render

    by_id = {work.id: work for work in scores[1]}
    for plan, audio, record in rendered[:3]:
        again, same = render.make_clip(plan, by_id.get(plan.work))
        np.testing.assert_allclose(again, audio, atol=1e-5)
        assert same == record


def test_clips_are_ten_seconds_and_neither_silent_nor_clipped(rendered, tmp_path):
    from recipes.corpus import render
    from recipes.corpus.report import faults

    path = tmp_path / "clip.flac"
    for plan, audio, record in rendered:
        assert audio.shape == (160_000,)
        path.write_bytes(render.encode(audio, record))
        assert faults(path) == [], plan.id
        assert render.read_record(path) == record
    for bad, fault in (np.r_[np.full(100_000, 0.1), np.zeros(60_000)], "silent"), (np.full(160_000, 1.0), "clipped"):
        path.write_bytes(render.encode(bad, {}))
        assert faults(path) == [fault]


def played(monkeypatch, plan, work):
    """Notes that a clip is played with, by instrument, in seconds."""
    from recipes.corpus import render
    from recipes.music import soundfont

    heard = []
    original = soundfont.render

    def listen(notes, instrument, seconds, font):
        heard.append((instrument, list(notes)))
        return original(notes, instrument, seconds, font)

    monkeypatch.setattr(soundfont, "render", listen)
    _, record = render.make_clip(plan, work)
    return heard, record["attributes"]


def test_records_say_what_is_played(monkeypatch, rendered, scores):
    """Instruments, percussion, texture, dynamics, register and key, read back from the notes."""
    from recipes.corpus.orchestration import BASSES, INSTRUMENTS, register_of
    from recipes.corpus.render import KEYS
    from recipes.corpus.works import best_key
    from recipes.music import soundfont

    by_id = {work.id: work for work in scores[1]}
    named = {one.program: one for one in INSTRUMENTS + BASSES}
    keys = []
    for plan, _, _ in rendered:
        heard, attributes = played(monkeypatch, plan, by_id.get(plan.work))
        pitched = [(named[program], notes) for program, notes in heard if program not in soundfont.DRUM_KITS]
        names = list(dict.fromkeys(one.name for one, _ in pitched))
        assert attributes["instruments"][: len(names)] == names
        assert attributes["percussion"] == (len(pitched) < len(heard)) == ("drums" in attributes["families"])
        players = 3 if {"choir", "string ensemble"} & set(attributes["instruments"]) else len(heard)
        assert attributes["texture"] == {1: "solo", 2: "duet"}.get(players, "ensemble")
        lead, notes = pitched[0]
        assert attributes["families"][0] == lead.family == plan.family
        mean = np.mean([note.velocity for note in notes])
        assert attributes["dynamics"] == ("soft" if mean < 63 else "medium" if mean < 96 else "strong")
        if len(pitched) > 1:  # alone, a piano also plays the accompaniment
            assert attributes["register"] == register_of(notes)
        assert all(lead.low <= note.pitch <= lead.high for note in notes)
        if attributes["mode"]:
            tonic, mode = best_key([note for _, part in pitched for note in part])
            keys.append((KEYS[tonic], mode) == (attributes["key"], attributes["mode"]))
    assert np.mean(keys) >= 0.7  # a bare lead of ten seconds may lean to a neighbouring key


def test_percussion_is_heard():
    """The same clip with drums has more energy above 6 kHz than without."""
    from dataclasses import replace

    from recipes.corpus import render
    from recipes.corpus.plan import plan_clip

    pools = {("train", source): ["-"] for source in ("chorale", "quartet", "dance tune")}
    some = [plan_clip("train", index, pools) for index in range(60)]
    some = [plan for plan in some if plan.source_family == "procedural"][:5]
    assert len(some) == 5
    louder = 0
    for plan in some:
        tops = []
        for percussion in (False, True):
            audio, record = render.make_clip(replace(plan, percussion=percussion, font="FluidR3Mono"), None)
            assert record["attributes"]["tempo_class"] == plan.tempo_class
            power = np.abs(np.fft.rfft(audio / np.sqrt((audio**2).mean()))) ** 2
            tops.append(power[60_000:].sum())  # above 6 kHz
        louder += tops[1] > tops[0]
    assert louder >= 4


@pytest.mark.parametrize("bpm, name", [(50, "slow"), (76, "slow"), (80, "medium"), (116, "medium"), (120, "fast")])
def test_tempo_classes(bpm, name):
    from recipes.corpus.render import tempo_class

    assert tempo_class(bpm) == name


def test_notes_follow_the_tempo(monkeypatch):
    """In a drummed clip of straight time every stroke is on a sixteenth, give or take a player's jitter."""
    from dataclasses import replace

    from recipes.corpus.idioms import IDIOMS
    from recipes.corpus.plan import plan_clip
    from recipes.music import soundfont

    pools = {("train", source): ["-"] for source in ("chorale", "quartet", "dance tune")}
    checked = 0
    for index in range(40):
        plan = plan_clip("train", index, pools)
        if plan.source_family != "procedural":
            continue
        heard, attributes = played(monkeypatch, replace(plan, percussion=True, font="FluidR3Mono"), None)
        idiom = IDIOMS[attributes["idiom"]]
        if idiom.swing != 0.5 or idiom.meter == "6/8":
            continue
        strokes = next(notes for program, notes in heard if program in soundfont.DRUM_KITS)
        sixteenth = 60 / attributes["tempo_bpm"] / 4
        off = [abs(note.onset / sixteenth - round(note.onset / sixteenth)) * sixteenth for note in strokes]
        assert np.mean(off) < 0.01
        checked += 1
        if checked == 3:
            break
    assert checked == 3


def test_recordings_are_tagged_and_ten_seconds():
    from recipes.corpus import recordings

    for name in ("drum_snare_hard", "loop_tabla", "guit_em9"):
        audio, record = recordings.make_clip(name)
        assert audio.shape == (160_000,)
        assert np.abs(audio).max() <= 0.951
        assert record["attributes"]["instruments"] == recordings.TAGS[name]["instruments"]
        assert record["attributes"]["mode"] is None
    assert not any(name.startswith("loop_amen") for name in recordings.TAGS)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    """Kill a run after some clips; the next one makes the rest, and leaves what is there as it is."""
    script = tmp_path / "run.py"
    script.write_text(
        f"""import sys; sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from recipes.corpus.build import render_missing
from recipes.corpus.plan import plan_clip
pools = {{("train", source): ["-"] for source in ("chorale", "quartet", "dance tune")}}
plans = [plan for index in range(60) if (plan := plan_clip("train", index, pools)).source_family == "procedural"]
if __name__ == "__main__":
    print(render_missing(plans[:int(sys.argv[1])], Path(sys.argv[2]), 1))
"""
    )
    output = tmp_path / "out"

    def start():
        return subprocess.Popen([sys.executable, script, "12", output], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, start_new_session=True)  # fmt: skip

    first, deadline = start(), time.time() + 120
    while len(list(output.glob("clips/*.flac"))) < 3:
        assert first.poll() is None, "the run ended before it was interrupted"
        assert time.time() < deadline
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    there = {path: path.stat().st_mtime_ns for path in output.glob("clips/*.flac")}
    assert 3 <= len(there) < 12
    (output / "clips" / "train-00000.flac.1.part").write_bytes(b"half a clip")

    assert start().communicate(timeout=120)[0].strip() == str(12 - len(there))
    assert len(list((output / "clips").iterdir())) == 12
    assert all(path.stat().st_mtime_ns == when for path, when in there.items())
    assert start().communicate(timeout=120)[0].strip() == "0"
    shutil.rmtree(output)
