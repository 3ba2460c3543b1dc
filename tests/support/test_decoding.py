"""Odd files are decoded to their end, with a note where something is wrong, or refused with the reason."""

import io

import numpy as np
import pytest
from odd_files import ODD, heard, pcm, tones

from musicwords.decoding import Decoder, Undecodable, mixed

RATE = 16_000


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_odd_files(odd):
    file = io.BytesIO(odd.make())
    if odd.refused:
        with pytest.raises(Undecodable, match=odd.says):
            list(Decoder(file))
        return
    decoder = Decoder(file)
    audio = np.concatenate(list(decoder.mono(RATE)))
    assert audio.dtype == np.float32
    assert odd.seconds[0] <= len(audio) / RATE <= odd.seconds[1]
    assert odd.says in decoder.note if odd.says else decoder.note == ""
    if "damaged" not in odd.says:  # there a second may be missing, or noise
        found = heard(audio, RATE)
        assert found == list(range(len(found)))


def test_enough_kinds_are_tried():
    assert len({odd.name for odd in ODD}) == len(ODD) >= 120


@pytest.mark.parametrize("channels", [1, 2, 8, 24])
def test_samples_are_what_was_written(channels):
    audio = tones(2, channels=channels)
    blocks = list(Decoder(io.BytesIO(pcm(audio, subtype="FLOAT"))))
    np.testing.assert_array_equal(np.concatenate(blocks), audio)


def test_eight_planes(tmp_path):
    """Codecs that keep each channel apart, such as FLAC of eight."""
    audio = tones(2, channels=8)
    blocks = list(Decoder(io.BytesIO(pcm(audio, format="FLAC", subtype="PCM_24"))))
    np.testing.assert_allclose(np.concatenate(blocks), audio, atol=2e-7)


def test_channels_of_opposite_phase_do_not_cancel():
    left = tones(1, channels=1)[:, 0]
    np.testing.assert_array_equal(mixed(np.stack([left, -left], axis=1)), left)
    np.testing.assert_allclose(mixed(np.stack([left, 0 * left], axis=1)), left / 2)
    np.testing.assert_array_equal(mixed(np.zeros((9, 2), np.float32)), np.zeros(9))


class Failing(io.BytesIO):
    """A file of which a network gives the beginning only."""

    def read(self, size: int = -1) -> bytes:
        if self.tell() > 300_000:
            raise TimeoutError(110, "Connection timed out")
        return super().read(size)


def test_what_a_network_did_not_give_is_no_fault_of_the_file():
    with pytest.raises(TimeoutError, match="timed out"):
        list(Decoder(Failing(pcm())))


def test_playlists_lead_nowhere(tmp_path, monkeypatch):
    """FFmpeg would follow them to other files, the second of these at least."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.wav").write_bytes(pcm())
    for name, text in {"a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nsong.wav\n#EXT-X-ENDLIST\n",
                       "a.ffconcat": "ffconcat version 1.0\nfile song.wav\n"}.items():  # fmt: skip
        (tmp_path / name).write_text(text, encoding="utf-8")
        with (tmp_path / name).open("rb") as file, pytest.raises(Undecodable, match="no audio"):
            Decoder(file)
