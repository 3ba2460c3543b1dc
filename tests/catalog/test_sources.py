"""What is found in a source, and commands that ask for what there is not."""

import os

import pytest
from catalog_runs import embed, paths_of, posix, rows_of, write_tone

from musicwords.catalog.__main__ import main
from musicwords.catalog.sources import without_secrets


@pytest.mark.parametrize("scheme", ["", "local://"])
def test_names_of_any_script_and_none(music, tmp_path, embedder, capsys, scheme):
    write_tone(music / "专辑 一" / "钢琴曲 ♫.WAV")
    write_tone(music / "...And Justice for All" / ".38 Special.wav")
    for trash in (".Trashes", ".Trash-1000/files"):
        write_tone(music / trash / "x.wav")
    write_tone(music / "._0.wav")
    (music / "cover.jpg").write_bytes(b"x")
    summary = embed(capsys, f"{scheme}{music.as_posix()}", "--output", tmp_path / "table")
    assert summary["found"] == summary["embedded"] == 12 and summary["passed_over"] == 3
    paths = paths_of(tmp_path / "table")
    assert "专辑 一/钢琴曲 ♫.WAV" in paths and "...And Justice for All/.38 Special.wav" in paths


def test_times_that_no_table_can_hold(music, tmp_path, embedder, capsys):
    os.utime(music / "0.wav", (0, 10_000_000_000))  # in the year 2286
    if os.name == "posix":
        os.utime(music / "1.wav", (0, -1))
    assert embed(capsys, music, "--output", tmp_path / "table")["embedded"] == 10
    assert embed(capsys, music, "--output", tmp_path / "table")["skipped"] == 10


@posix
def test_links_out_of_the_source_are_counted(music, tmp_path, embedder, capsys):
    write_tone(tmp_path / "elsewhere" / "a.wav")
    write_tone(tmp_path / "b.wav")
    (music / "album").symlink_to(tmp_path / "elsewhere")
    (music / "c.wav").symlink_to(tmp_path / "b.wav")
    (music / "d.wav").symlink_to(music / "0.wav")
    write_tone(music / "Rock" / "a.wav")
    (music / "Favorites").symlink_to(music / "Rock")  # its files are found where they lie
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["embedded"], summary["outside"]) == (14, 2)
    assert "Rock/a.wav" in paths_of(tmp_path / "table")
    assert main(["embed", str(music), "--output", str(tmp_path / "table")]) == 0
    assert "2 of the files lie outside of the source" in capsys.readouterr().out


@posix
def test_a_disk_that_is_not_there_takes_no_rows_with_it(music, tmp_path, embedder, capsys):
    write_tone(tmp_path / "disk" / "a.wav")
    (music / "album").symlink_to(tmp_path / "disk")
    embed(capsys, music, "--output", tmp_path / "table")
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    summary = embed(capsys, music, "--output", tmp_path / "table", "--prune")
    assert (summary["pruned"], summary["unreachable"], summary["failed"]) == (0, 1, 1)
    assert "album/a.wav" in paths_of(tmp_path / "table")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://KEY:SEC/RET@bucket/music?region=x", "s3://bucket/music"),
        ("s3://KEY:SEC%2FRET@bucket/music/", "s3://bucket/music"),
        ("sftp://me@host/music", "sftp://host/music"),
        ("s3://bucket/artist@live", "s3://bucket/artist@live"),
        ("s3://KEY:SEC/RET@bucket/artist@live", "s3://bucket/artist@live"),
        ("ftp://me:SEC#RET@host/music", "ftp://host/music"),
        ("sftp://me:SEC?RET@host/music", "sftp://host/music"),
        ("s3://bucket/music", "s3://bucket/music"),
    ],
)
def test_secrets_are_not_shown(tmp_path, embedder, capsys, address, shown):
    assert without_secrets(address) == shown
    if "SEC" in address:
        said = embed(capsys, address.replace("s3", "nosuch"), "--output", tmp_path / "table", code=2)
        assert "SEC" not in said and "RET" not in said


@posix
def test_names_that_are_no_text_links_and_pipes(music, tmp_path, embedder, capsys):
    try:
        (music / "0.wav").rename(os.fsdecode(os.fsencode(music) + b"/\xb8\xd6.wav"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (music / "loop").symlink_to(music)
    (music / "nowhere.wav").symlink_to(tmp_path / "nothing")
    os.mkfifo(music / "pipe.wav")
    summary = embed(capsys, music, "--output", tmp_path / "table")
    assert (summary["found"], summary["embedded"], summary["failed"]) == (12, 9, 3)
    reasons = {row["path"]: row["reason"] for row in rows_of(tmp_path / "table", "errors")}
    assert "UTF-8" in reasons[r"\xb8\xd6.wav"] and "regular" in reasons["pipe.wav"]
    assert "looked at" in reasons["nowhere.wav"]
    again = embed(capsys, music, "--output", tmp_path / "table")
    assert (again["skipped"], again["failed"], again["failed_before"]) == (9, 0, 3)


@pytest.mark.parametrize("scheme", ["file", "local"])
def test_a_source_by_uri(music, tmp_path, embedder, capsys, scheme):
    """pyarrow reads the first, and only fsspec the second."""
    (music / "0.wav").rename(music / "钢琴 0.wav")
    renamed = music.rename(tmp_path / "音乐 all")
    summary = embed(capsys, f"{scheme}://{renamed.as_posix()}", "--output", tmp_path / "table")
    assert summary["embedded"] == 10
    assert paths_of(tmp_path / "table")[-1] == "钢琴 0.wav"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "is no folder"),
        ([""], "empty name"),
        (["empty"], "has no audio"),
        (["music/0.wav"], "is no folder"),
        (["nosuch://x/y"], "cannot be read"),
        (["music", "--checkpoint", "empty"], "holds no checkpoint"),
        (["music", "--checkpoint", "no/such-model"], "nothing to download"),
        (["music", "--window", "11"], "hears 10 seconds"),
        (["music", "--metadata", "no.csv"], "cannot be read as metadata"),
    ],
)
def test_wrong_commands_say_so_in_a_line(music, tmp_path, embedder, capsys, monkeypatch, arguments, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    said = embed(capsys, *arguments, "--output", tmp_path / "table", code=2)
    assert message in said and said.count("\n") == 1 and said.startswith("musicwords-catalog embed: ")
    assert not (tmp_path / "table" / "manifest.json").exists()


@pytest.mark.parametrize("wrong", ["--workers=0", "--batch=-1", "--hop=0", "--window=nan", "--format=csv"])
def test_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(SystemExit, match="2"):
        main(["embed", str(tmp_path), "--output", str(tmp_path / "table"), wrong])
