"""What a search finds, filters, metadata, and searches that go wrong."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalog_runs import (
    embed,
    rows_of,
    work_here,
)
from run_notebooks import ROOT

import musicwords.catalog.embedder
import musicwords.catalog.lance
import musicwords.catalog.metadata
import musicwords.catalog.run
import musicwords.catalog.search
from musicwords.catalog.__main__ import main
from musicwords.catalog.manifest import settle_manifest
from musicwords.catalog.metadata import save_metadata
from musicwords.catalog.table import Fragments, schema


def search(capsys, *arguments, code: int = 0) -> dict | str:
    """Run ``search`` in this process; return what it found, or its message if it fails."""
    assert main(["search", *map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    if code == 0:
        return json.loads(printed.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert printed.out == ""
    return printed.err


def test_a_file_finds_itself_and_its_place_in_a_longer_one(collection, loaded, capsys):
    found = search(capsys, collection / "table", "--like", collection / "music" / "techno.ogg", "--top", 2)
    # The longer file has the same ten seconds, encoded once more: their order is a matter of rounding.
    first, second = sorted(found["results"], key=lambda hit: hit["path"])
    assert first["path"] == "techno.ogg" and first["score"] == pytest.approx(1, abs=1e-3)
    assert (second["path"], second["start"], second["end"]) == ("长 long.flac", 10, 20) and second["score"] > 0.98
    assert second["duration"] == 30 and second["metadata"] == {"genre": "mixed", "Year made": 2020}
    assert found["source"] == str(collection / "music") and found["like"].endswith("techno.ogg")


def test_text_gives_each_file_once_with_the_best_window(collection, loaded, clap, capsys):
    found = search(capsys, collection / "table", "fast electronic music with drums")["results"]
    rows, query = rows_of(collection / "table"), clap.texts(["fast electronic music with drums"])[0]
    best = {}
    for row in rows:
        best[row["path"]] = max(best.get(row["path"], -1), float(np.dot(row["embedding"], query)))
    assert len(rows) == 7 and len(found) == len(best) == 5
    assert [hit["path"] for hit in found] == sorted(best, key=best.get, reverse=True)
    assert [hit["score"] for hit in found] == pytest.approx(sorted(best.values(), reverse=True), abs=1e-5)


@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ("genre = 'electronic'", ["ambient.ogg", "techno.ogg"]),
        ("duration > 20", ["长 long.flac"]),
        ("duration < 20 and genre is null", ["bossa-nova.ogg", "quartet-adagio.ogg"]),
        ("`Year made` >= 1999 and path like '%.ogg'", ["ambient.ogg"]),
        ("path = '长 long.flac'", ["长 long.flac"]),
        ("genre = 'jazz'", []),
    ],
)
def test_filters(collection, loaded, capsys, where, paths):
    found = search(capsys, collection / "table", "drums", "--where", where)["results"]
    assert sorted(hit["path"] for hit in found) == paths


def test_lance_gives_what_parquet_gives(collection, loaded, clap, capsys, monkeypatch, tmp_path):
    table = shutil.copytree(collection / "table", tmp_path / "table")
    ways = (["--top", 1], ["--top", 99], ["--where", "genre = 'electronic'"], ["--where", "start >= 10"])
    parquet = [search(capsys, table, "slow strings", *way)["results"] for way in ways]
    work_here(monkeypatch, clap)
    embed(capsys, collection / "music", "--output", table, "--format", "lance")
    with monkeypatch.context() as patch:
        patch.setattr(musicwords.catalog.search.Catalog, "_from_fragments", None)
        for way, expected in zip(ways, parquet, strict=True):
            found = search(capsys, table, "slow strings", *way)["results"]
            assert [hit.pop("score") for hit in found] == pytest.approx(
                [hit.pop("score") for hit in expected], abs=1e-5
            )
            assert found == expected and found, way
    shutil.copytree(collection / "music", tmp_path / "music")
    (tmp_path / "music" / "ambient.ogg").unlink()
    embed(capsys, tmp_path / "music", "--output", table, "--moved", "--prune")  # the Lance table is old from now on
    paths = [hit["path"] for hit in search(capsys, table, "slow strings")["results"]]
    assert len(paths) == 4 and "ambient.ogg" not in paths


def test_results_are_json_whatever_the_metadata_holds(collection, loaded, capsys, tmp_path):
    shutil.copytree(collection / "table", tmp_path / "table")
    about = {"path": ["ambient.ogg"], "bpm": [float("nan")], "tags": [["a", "b"]]}
    about = pa.table(about | {"when": [np.datetime64("2020-01-01", "s")]})
    musicwords.catalog.metadata.save_metadata(tmp_path / "table", about)
    (hit,) = search(capsys, tmp_path / "table", "drums", "--where", "array_has(tags, 'b')")["results"]
    assert hit["metadata"] == {"bpm": None, "tags": ["a", "b"], "when": "2020-01-01T00:00:00"}


def test_results_for_people(collection, loaded, capsys):
    assert main(["search", str(collection / "table"), "drums", "--where", "start = 10"]) == 0
    assert "0:10-0:20  长 long.flac" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drums", "--top", "0"], "--top 0: at least 1"),
        ([""], "blank"),
        (["спокойная музыка"], "tokens of the text"),
        ([], "a text, --like or"),
        (["drums", "--where", "genre ="], "--where"),
        (["drums", "--where", "colour = 'red'"], "No field named colour"),
        (["drums", "--where", "duration > 'long'"], "--where"),
        (["drums", "--where", "1 / (size - size) > 1"], "Divide by zero"),
        (["drums", "--where", "cast(path as int) > 1"], "Cannot cast string"),
        (["drums", "--where", "1 = 1; drop table catalog"], "one condition is expected"),
        (["drums", "--where", "1 = 1 -- and more"], "one condition is expected"),
        (["\udcb8\udcd6"], "not UTF-8"),
        (["\U0001f3b9 \udcb8"], "not UTF-8"),
        (["drums", "--interactive"], "only one of them"),
        (["--like", "nothing.wav"], "nothing.wav"),
        (["--like", str(Path(__file__))], "cannot be embedded"),
        (["drums", "--checkpoint", "."], "holds no checkpoint"),
    ],
)
def test_wrong_searches_say_so_in_a_line(collection, loaded, capsys, tmp_path, arguments, message):
    said = search(capsys, collection / "table", *arguments, code=2)
    assert message in said and said.count("\n") == 1 and ".rs" not in said and "/root" not in said
    if "--where" in arguments and "one condition" not in message:  # the same of a Lance table
        table = shutil.copytree(collection / "table", tmp_path / "table")
        musicwords.catalog.lance.build(table, lambda: None)
        said = search(capsys, table, *arguments, code=2)
        assert message in said and said.count("\n") == 1 and ".rs" not in said and "/root" not in said


def test_a_sign_in_quotes_is_no_second_condition(collection, loaded, capsys):
    for where in ("genre = 'drum; bass--'", "path <> 'it''s; --' and genre = 'electronic'"):
        search(capsys, collection / "table", "drums", "--where", where)


def test_texts_one_after_another(collection, loaded, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("drums\nспокойная музыка\nslow strings\n\nnever read\n"))
    assert main(["search", str(collection / "table"), "--interactive", "--top", "1", "--json"]) == 0
    printed = capsys.readouterr()
    first, second = map(json.loads, printed.out.splitlines())
    assert (first["text"], second["text"]) == ("drums", "slow strings") and len(second["results"]) == 1
    assert printed.err.count("> ") == 4 and "tokens of the text" in printed.err


def test_what_steers_a_terminal_is_spelled_out(collection, loaded, capsys, tmp_path):
    table = shutil.copytree(collection / "table", tmp_path / "table")
    (fragment, *_) = sorted((table / "embeddings").glob("*.parquet"))
    rows = pq.read_table(fragment)
    paths = pa.array([path.replace("ambient", "am\x1b[2Jbient\n") for path in rows["path"].to_pylist()])
    pq.write_table(rows.set_column(0, "path", paths), fragment)
    assert main(["search", str(table), "calm"]) == 0
    printed = capsys.readouterr().out
    assert r"am\x1b[2Jbient\n.ogg" in printed and "\x1b" not in printed


@pytest.fixture
def large(tmp_path, monkeypatch, loaded) -> Path:
    """A table of windows that counts as large, so that it gets an index."""
    monkeypatch.setattr(musicwords.catalog.lance, "LARGE", 2000)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 512))[rng.integers(0, 40, 4000)] + 0.5 * rng.normal(size=(4000, 512))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    clap = musicwords.catalog.embedder.find_checkpoint("clap")
    folder = tmp_path / "large"
    folder.mkdir()
    manifest = {"source": "/music", "checkpoint": "clap", "revision": "", "sha256": clap.sha256, "dimension": 512}
    settle_manifest(folder, manifest | {"sample_rate": clap.sample_rate, "window": 10, "hop": 10}, moved=False)
    fragments = Fragments(folder / "embeddings", schema(512))
    columns = {"path": [f"{number // 2:04d}.wav" for number in range(4000)], "start": [0.0, 10.0] * 2000}
    columns |= {"end": [10.0, 20.0] * 2000, "duration": [20.0] * 4000, "size": [1] * 4000, "modified_ns": [1] * 4000}
    columns |= {"note": [None] * 4000, "embedding": list(vectors)}
    fragments.add(pa.table([pa.array(columns[name]) for name in fragments.columns.names], fragments.columns.names))
    musicwords.catalog.lance.build(folder, lambda: vectors[:50])
    return folder


def test_a_large_table_has_an_index_that_says_what_it_finds(large, capsys):
    found = search(capsys, large, "slow strings")
    exact = search(capsys, large, "slow strings", "--exact")
    assert found["recall"] >= 0.95 and exact["recall"] is None
    paths = [[hit["path"] for hit in results["results"]] for results in (found, exact)]
    assert len(paths[0]) == len(paths[1]) == 10 and len(set(paths[0]) & set(paths[1])) >= 7
    some = search(capsys, large, "slow strings", "--where", "path < '0100.wav'", "--top", 500)
    assert some["recall"] is None and len(some["results"]) == 100
    assert len(search(capsys, large, "slow strings", "--top", 3000)["results"]) == 2000
    assert main(["search", str(large), "slow strings"]) == 0
    assert f"finds {found['recall']:.0%} of the nearest windows" in capsys.readouterr().out


def test_the_lance_table_outlives_a_copy_and_no_change(large, tmp_path):
    copy = shutil.copytree(large, tmp_path / "copy", copy_function=shutil.copy)
    assert musicwords.catalog.lance.read_state(copy) == musicwords.catalog.lance.read_state(large) is not None
    save_metadata(copy, pa.table({"path": ["0001.wav"], "genre": ["jazz"]}))
    assert musicwords.catalog.lance.read_state(copy) is None
    musicwords.catalog.lance.build(copy, lambda: np.eye(512, dtype=np.float32)[:5])
    save_metadata(copy, pa.table({"path": ["0001.wav"], "genre": ["rock"]}))
    assert musicwords.catalog.lance.read_state(copy) is None
    changed = shutil.copytree(large, tmp_path / "changed")
    Fragments(changed / "embeddings", schema(512)).forget(["0001.wav"])
    assert musicwords.catalog.lance.read_state(changed) is None


def test_without_lancedb_a_condition_says_what_to_install(collection, loaded, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "lancedb", None)
    assert search(capsys, collection / "table", "drums")["results"]
    said = search(capsys, collection / "table", "drums", "--where", "duration > 1", code=2)
    assert "musicwords[catalog]" in said and said.count("\n") == 1


def test_a_large_table_without_lancedb_has_no_index_and_says_so(music, embedder, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(musicwords.catalog.lance, "LARGE", 10)
    monkeypatch.setattr(musicwords.catalog.run, "find_spec", lambda name: None)
    assert main(["embed", str(music), "--output", str(tmp_path / "table")]) == 0
    assert "no index: pip install 'musicwords[catalog]'" in capsys.readouterr().err
    assert not (tmp_path / "table" / "lance").exists()


def test_the_readme_shows_what_the_commands_print(clap, loaded, capsys, monkeypatch, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```console\n\$ .*?catalog embed(.*?)```", readme, re.DOTALL)[1].splitlines()
    work_here(monkeypatch, clap)
    assert main(["embed", str(ROOT / "musicwords" / "data" / "clips"), "--output", str(tmp_path / "table")]) == 0
    assert main(["search", str(tmp_path / "table"), *re.search(r'table "(.*)" (--top) (3)', shown[2]).groups()]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert shown[1] == printed[0] and len(shown[3:]) == len(printed[3:]) == 3
    for line, expected in zip(printed[3:], shown[3:], strict=True):  # another machine rounds elsewhere
        assert line.split()[2:] == expected.split()[2:]
        assert float(line.split()[1]) == pytest.approx(float(expected.split()[1]), abs=0.002)


def test_info(collection, capsys, tmp_path):
    assert main(["info", str(collection / "table"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["windows"], found["metadata"]) == (5, 7, ["genre", "Year made"])
    assert found["hours"] == 0.02 and found["source"] == str(collection / "music")
    assert main(["info", str(collection / "table")]) == 0
    assert "5 files, 0.02 hours, in 7 windows" in capsys.readouterr().out
    assert main(["info", str(tmp_path)]) == 2
    assert "is no table" in capsys.readouterr().err


def test_info_counts_notes_and_errors_by_kind(music, embedder, capsys, tmp_path):
    for number, size in enumerate((40_000, 50_000)):
        (music / f"{number}.wav").write_bytes((music / f"{number}.wav").read_bytes()[:size])
    for name in ("a.mp3", "b.mp3"):
        (music / name).write_bytes(b"no audio")
    embed(capsys, music, "--output", tmp_path / "table")
    assert main(["info", str(tmp_path / "table"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["notes"] == {"It ends early: … of … s are there.": 2}
    assert list(found["errors"].values()) == [2]


def test_tables_that_cannot_be_searched(collection, loaded, embedder, capsys, tmp_path):
    assert "is no table" in search(capsys, tmp_path, "drums", code=2)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "bad.wav").write_bytes(b"RIFF")
    embed(capsys, tmp_path / "music", "--output", tmp_path / "empty")
    assert "has no embedding" in search(capsys, tmp_path / "empty", "drums", code=2)
    for key, value in {"dimension": 256, "sha256": "0" * 64}.items():
        other = shutil.copytree(collection / "table", tmp_path / key)
        manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
        (other / "manifest.json").write_text(json.dumps(manifest | {key: value}), encoding="utf-8")
        assert "give the CLAP of the table" in search(capsys, other, "drums", code=2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "file,genre\nx,y\n", "has no column path"),
        ("a.csv", "path,genre\nx,y\nx,z\n", "a path twice"),
        ("a.csv", "path,start\nx,1\n", "start"),
        ("a.csv", "path,a.b\nx,1\n", "has a dot"),
        ("a.csv", "path,\nx,1\n", "empty"),
        ("a.csv", "path,_rowid\nx,1\n", "_rowid"),
        ("a.csv", "path,artist\nx,Andr\xe9\n".encode("latin-1"), "column artist of"),
        ("a.csv", "path,artist\nx,y\n".encode("utf-16"), "a.csv"),
        ("a.jsonl", '{"path": ["x"]}\n', "paths are text"),
        ("a.jsonl", "{", "cannot be read as metadata"),
        ("a.txt", "", "ends in .csv"),
    ],
)
def test_metadata_that_cannot_be_joined(music, embedder, capsys, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = embed(capsys, music, "--output", tmp_path / "table", "--metadata", tmp_path / name, code=2)
    assert message in said and said.count("\n") == 1


def test_metadata_of_no_file_is_named(music, embedder, capsys, tmp_path):
    (tmp_path / "about.jsonl").write_text('{"path": "0.wav"}\n{"path": "music/1.wav"}\n', encoding="utf-8")
    arguments = [music, "--output", tmp_path / "table", "--metadata", tmp_path / "about.jsonl"]
    assert main(["embed", *map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert "1 paths of no file, such as music/1.wav; paths of files look like 0.wav" in printed.err
    assert "10 files found: 10 embedded now" in printed.out


def test_metadata_as_spreadsheets_and_data_frames_write_it(tmp_path):
    lines = ["\ufeffpath,artist,released,about"]
    lines += [f'{number}.wav,NULL,1999-01-{number % 28 + 1:02d},"two\nlines"' for number in range(100_000)]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    table = musicwords.catalog.metadata.read_metadata(tmp_path / "a.csv")
    assert len(table) == 100_000 and table["artist"][7].as_py() == "NULL" and table["about"][7].as_py() == "two\nlines"
    assert table["released"][0].as_py() == "1999-01-01"
    words = {"path": pa.array(["x"], pa.string_view()), "genre": pa.array(["jazz"]).dictionary_encode()}
    pq.write_table(pa.table(words), tmp_path / "a.parquet")
    table = musicwords.catalog.metadata.read_metadata(tmp_path / "a.parquet")
    assert table.to_pylist() == [{"path": "x", "genre": "jazz"}] and table.schema.types == [pa.string()] * 2


def test_days_are_days_however_they_are_written(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"path": "x", "day": "2020-01-01"}\n', encoding="utf-8")
    assert musicwords.catalog.metadata.read_metadata(tmp_path / "a.jsonl").to_pylist()[0]["day"] == "2020-01-01"
    (tmp_path / "a.csv").write_text("path,day,long\nx,2020-01-01 08:00:00,03:45\n", encoding="utf-8")
    row = musicwords.catalog.metadata.read_metadata(tmp_path / "a.csv").to_pylist()[0]
    assert row == {"path": "x", "day": "2020-01-01 08:00:00", "long": "03:45:00"}


def test_damaged_tables_are_named_without_a_traceback(collection, loaded, capsys, tmp_path):
    table = shutil.copytree(collection / "table", tmp_path / "table")
    (table / "lance").mkdir()
    (table / "lance" / "state.json").write_text("", encoding="utf-8")
    assert search(capsys, table, "drums")["results"]
    (table / "embeddings" / "000001.parquet").write_bytes(b"PAR1" * 9)
    for words in (["info", str(table)], ["search", str(table), "drums"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"musicwords-catalog {words[0]}: ")


def test_conditions_on_dates(collection, loaded, capsys, tmp_path):
    table = shutil.copytree(collection / "table", tmp_path / "table")
    (tmp_path / "a.csv").write_text("path,released\nambient.ogg,1999-05-01\ntechno.ogg,2003-01-02\n", encoding="utf-8")
    save_metadata(table, musicwords.catalog.metadata.read_metadata(tmp_path / "a.csv"))
    (hit,) = search(capsys, table, "drums", "--where", "released > '2000-01-01'")["results"]
    assert hit["path"] == "techno.ogg" and hit["metadata"] == {"released": "2003-01-02"}
