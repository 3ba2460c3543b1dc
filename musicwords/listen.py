"""Players: hear a sound beside its spectrogram, in Jupyter, in Colab and in the pages of the book."""

import base64
import html
import io
from dataclasses import dataclass

import librosa
import matplotlib
import numpy as np
import soundfile
from IPython.display import HTML
from PIL import Image

from musicwords.signal import check_signal

PICTURE_SIZE = (480, 96)  # pixels across and up
LAYOUT = "display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1rem;align-items:end"
ROW = f'<div class="sounds" style="{LAYOUT}">'  # opens a row of players
DYNAMIC_RANGE = 70  # dB between the darkest and the brightest color
SOFTEST = 1e-2  # power of a mel band that may be the brightest color: silence is not drawn as if it were loud
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # Hz, all that MP3 knows


@dataclass(frozen=True)
class Sound:
    """A sound with the words that a reader sees beside it.

    Parameters
    ----------
    audio : np.ndarray of shape (samples,)
        Waveform, mono, between -1 and 1.
    sample_rate : int
        Samples a second.
    label : str
        What the sound is, in a few words. A sound made by a model names its checkpoint here.
    description : str, optional
        What is to be heard, in a sentence.

    Raises
    ------
    ValueError
        If the audio is empty, not mono or not finite, or if the label is empty.
    """

    audio: np.ndarray
    sample_rate: int
    label: str
    description: str = ""

    def __post_init__(self) -> None:
        check_signal(self.audio, f"audio of {self.label!r}")
        if not self.label.strip():
            raise ValueError("label is empty: say in a few words what the sound is.")


def listen(*sounds: Sound, spectrogram: bool = True) -> HTML:
    """Show players side by side, each with its label, its description and a mel spectrogram.

    Nothing plays until the reader asks for it. The sound is embedded in the output as MP3; in the pages of the
    book it becomes a file of its own, which a browser loads when it is played.

    Parameters
    ----------
    *sounds : Sound
        What to listen to, at least one.
    spectrogram : bool, default=True
        Whether to show the mel spectrogram of each sound.

    Returns
    -------
    IPython.display.HTML
        The players, as the last expression of a cell.

    Raises
    ------
    ValueError
        If no sound is given.
    """
    if not sounds:
        raise ValueError("there is nothing to listen to: give at least one Sound.")
    parts = ((sound.description, player(sound, spectrogram)) for sound in sounds)
    figures = "".join(f"{before} {html.escape(description)}{after}" for description, (before, after) in parts)
    return HTML(f"{ROW}{figures}</div>")


def player(sound: Sound, spectrogram: bool = True) -> tuple[str, str]:
    """Return the HTML of one player before and after its description."""
    label = html.escape(sound.label)
    picture = ""
    if spectrogram:
        mel = mel_spectrogram(sound)
        source = data_uri("image/webp", webp(mel))
        picture = (
            f'<img alt="{html.escape(describe(sound, mel))}" src="{source}" loading="lazy" '
            f'width="{PICTURE_SIZE[0]}" height="{PICTURE_SIZE[1]}" style="width:100%;height:auto">'
        )
    before = f'<figure class="sound" style="max-width:30rem;margin:0"><figcaption><strong>{label}</strong>'
    after = (
        f'</figcaption>{picture}<audio controls preload="none" aria-label="{label}" '
        f'src="{data_uri("audio/mpeg", mp3(sound))}" style="width:100%"></audio></figure>'
    )
    return before, after


def data_uri(kind: str, data: bytes) -> str:
    """Return ``data`` as a URI that can stand in HTML."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def mp3(sound: Sound) -> bytes:
    """Return the sound as MP3, which every browser plays; clipped to the range of the format, -1 to 1."""
    audio, sample_rate = np.clip(np.asarray(sound.audio, np.float32), -1, 1), sound.sample_rate
    if sample_rate not in MP3_RATES:
        target = next((rate for rate in MP3_RATES if rate >= sample_rate), MP3_RATES[-1])
        audio, sample_rate = librosa.resample(audio, orig_sr=sample_rate, target_sr=target), target
    file = io.BytesIO()
    soundfile.write(file, audio, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


def mel_spectrogram(sound: Sound) -> np.ndarray:
    """Return the mel spectrogram in dB below its loudest bin, or below ``SOFTEST``, of shape (mels, frames)."""
    hop = max(len(sound.audio) // PICTURE_SIZE[0], 1)
    audio = np.asarray(sound.audio, np.float32)
    window = min(2 ** round(np.log2(0.064 * sound.sample_rate)), len(audio))
    mel = librosa.feature.melspectrogram(
        y=audio, sr=sound.sample_rate, n_fft=window, hop_length=hop, n_mels=PICTURE_SIZE[1]
    )
    return librosa.power_to_db(mel, ref=max(mel.max(), SOFTEST), top_db=DYNAMIC_RANGE)


def webp(mel: np.ndarray) -> bytes:
    """Return a spectrogram in dB as a picture: time to the right, pitch upward, louder is brighter."""
    colors = matplotlib.colormaps["magma"](1 + mel[::-1] / DYNAMIC_RANGE, bytes=True)[..., :3]
    file = io.BytesIO()
    Image.fromarray(colors).resize(PICTURE_SIZE).save(file, "webp", quality=70)
    return file.getvalue()


def describe(sound: Sound, mel: np.ndarray) -> str:
    """Return in words what the picture of ``mel`` shows: its duration and where most of the energy lies."""
    seconds = len(sound.audio) / sound.sample_rate
    if not np.any(sound.audio):
        return f"Mel spectrogram of {sound.label}, {seconds:.1f} seconds of silence."
    power = librosa.db_to_power(mel).sum(axis=1)
    share = power.cumsum() / power.sum()
    frequencies = librosa.mel_frequencies(len(mel) + 2, fmax=sound.sample_rate / 2)[1:-1]
    low, high = (int(round(frequencies[np.searchsorted(share, bound)], -1)) for bound in (0.1, 0.9))
    return (
        f"Mel spectrogram of {sound.label}, {seconds:.1f} seconds: most of its energy lies between {low} and {high} Hz."
    )
