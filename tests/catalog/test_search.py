"""What a search finds, filters, metadata, and searches that go wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from catalog_runs import (
    embed,
    rows_of,
    work_here,
)

import musicwords.catalog.metadata
import musicwords.catalog.search
from musicwords.catalog.__main__ import main


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
    first, second = found["results"]
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
        patch.setattr(musicwords.catalog.search, "_from_fragments", None)
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
    assert hit["metadata"] == {"bpm": None, "tags": ["a", "b"], "when": "2020-01-01 00:00:00"}


def test_results_for_people(collection, loaded, capsys):
    assert main(["search", str(collection / "table"), "drums", "--where", "start = 10"]) == 0
    assert "0:10-0:20  长 long.flac" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drums", "--top", "0"], "--top 0: at least 1"),
        ([""], "blank"),
        (["钢琴独奏"], "tokens of the text"),
        ([], "a text or --like"),
        (["drums", "--where", "genre ="], "--where"),
        (["drums", "--where", "colour = 'red'"], "No field named colour"),
        (["drums", "--where", "duration > 'long'"], "--where"),
        (["--like", "nothing.wav"], "nothing.wav"),
        (["--like", str(Path(__file__))], "cannot be embedded"),
        (["drums", "--checkpoint", "."], "holds no checkpoint"),
    ],
)
def test_wrong_searches_say_so_in_a_line(collection, loaded, capsys, arguments, message):
    said = search(capsys, collection / "table", *arguments, code=2)
    assert message in said and said.count("\n") == 1 and ".rs:" not in said


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
        ("a.jsonl", '{"path": ["x"]}\n', "paths are text"),
        ("a.jsonl", "{", "cannot be read as metadata"),
        ("a.txt", "", "ends in .csv"),
    ],
)
def test_metadata_that_cannot_be_joined(music, embedder, capsys, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    said = embed(capsys, music, "--output", tmp_path / "table", "--metadata", tmp_path / name, code=2)
    assert message in said and said.count("\n") == 1


def test_metadata_of_no_file_is_named(music, embedder, capsys, tmp_path):
    (tmp_path / "about.jsonl").write_text('{"path": "0.wav"}\n{"path": "music/1.wav"}\n', encoding="utf-8")
    arguments = [music, "--output", tmp_path / "table", "--metadata", tmp_path / "about.jsonl"]
    assert main(["embed", *map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert "1 paths of no file, such as music/1.wav; paths of files look like 0.wav" in printed.err
    assert "10 files found: 10 embedded now" in printed.out
