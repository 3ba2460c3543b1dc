"""Players carry the sound that was given, with words, and refuse what cannot be heard."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicwords.listen import PICTURE_SIZE, Sound, listen

RATE = 32_000


def tone(frequency=440.0, seconds=1.0, sample_rate=RATE):
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    return 0.3 * np.sin(2 * np.pi * frequency * time).astype(np.float32)


def embedded(html: str, kind: str) -> list[io.BytesIO]:
    found = re.findall(rf'src="data:{kind};base64,([A-Za-z0-9+/=]+)"', html)
    return [io.BytesIO(base64.b64decode(data)) for data in found]


def alt(html: str) -> str:
    return re.search(r'<img alt="([^"]*)"', html)[1]


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 32_000, 44_100, 192_000, 22_000])
def test_player_carries_the_sound(sample_rate):
    html = listen(Sound(tone(sample_rate=sample_rate), sample_rate, "tone")).data
    (file,) = embedded(html, "audio/mpeg")
    audio, rate = soundfile.read(file)
    assert len(audio) / rate == pytest.approx(1, abs=0.1)
    spectrum = np.abs(np.fft.rfft(audio[: rate // 2]))
    assert spectrum.argmax() * rate / (rate // 2) == pytest.approx(440, abs=4)


def test_player_has_words_and_no_autoplay():
    html = listen(Sound(tone(), RATE, "A tone & more", "Steady <and> plain.")).data
    assert 'preload="none"' in html and "autoplay" not in html
    assert 'aria-label="A tone &amp; more"' in html
    assert "Steady &lt;and&gt; plain." in html


def test_picture_shows_where_the_energy_is():
    html = listen(Sound(tone(880), RATE, "high tone")).data
    (file,) = embedded(html, "image/webp")
    picture = np.asarray(Image.open(file).convert("L"), float)
    assert picture.shape[::-1] == PICTURE_SIZE
    low, high = map(int, re.search(r"between (\d+) and (\d+) Hz", alt(html)).groups())
    assert low - 60 <= 880 <= high + 60
    assert high - low < 200


def test_alt_text_of_silence_says_so():
    assert "silence" in alt(listen(Sound(np.zeros(RATE), RATE, "rest")).data)


@pytest.mark.parametrize("audio", [np.zeros(RATE), 1e-6 * np.sin(np.arange(RATE))], ids=["zeros", "nearly nothing"])
def test_silence_is_dark(audio):
    quiet, loud = (listen(Sound(sound, RATE, "sound")).data for sound in (audio, tone()))
    (quiet,), (loud,) = embedded(quiet, "image/webp"), embedded(loud, "image/webp")
    brightest = [np.asarray(Image.open(file).convert("L")).max() for file in (quiet, loud)]
    assert brightest[0] < 30 < 150 < brightest[1]


def test_several_sounds_stand_side_by_side_without_pictures():
    html = listen(Sound(tone(), RATE, "one"), Sound(tone(660), RATE, "two"), spectrogram=False).data
    assert html.count("<audio") == 2
    assert "<img" not in html


def test_loud_sound_is_clipped_and_not_wrapped():
    (file,) = embedded(listen(Sound(4 * tone(), RATE, "loud")).data, "audio/mpeg")
    audio, _ = soundfile.read(file)
    assert 0.7 < np.sqrt(np.mean(audio**2)) < 1.1


@pytest.mark.parametrize(
    ("audio", "label", "message"),
    [
        (np.zeros((2, 100)), "stereo", r"shape \(2, 100\)"),
        (np.zeros(0), "empty", "got 0 samples"),
        (np.array([0.0, np.nan]), "broken", "NaN"),
        (np.zeros(100), " ", "label is empty"),
    ],
)
def test_bad_sound_is_refused(audio, label, message):
    with pytest.raises(ValueError, match=message):
        Sound(audio, RATE, label)


def test_nothing_to_listen_to_is_refused():
    with pytest.raises(ValueError, match="nothing to listen to"):
        listen()
