"""Run the published musicnn taggers in TensorFlow, as the reference that the PyTorch port is tested against.

It needs TensorFlow with Keras 2, in an environment of its own. Nothing here is needed to run the book.

    python3.11 -m venv tf && tf/bin/pip install tensorflow-cpu==2.15.1 librosa==0.11.0 "numpy<2"
    pip download --no-deps musicnn==0.1.0
    tf/bin/python recipes/musicnn/reference.py musicnn-0.1.0-py3-none-any.whl

It builds the graph with the code inside the wheel, restores the checkpoints inside the wheel, and writes
`tests/data/musicnn_reference.npz`: three log-mel patches of a made-up piece, and the probabilities and the
penultimate layer that each tagger gives for them.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16_000  # Hz
PATCH_FRAMES = 187
N_MELS = 96
N_LABELS = 50
TAGGERS = {"mtt": "MTT_musicnn", "msd": "MSD_musicnn"}
OUTPUT = Path(__file__).parents[2] / "tests" / "data" / "musicnn_reference.npz"


def made_up_piece() -> np.ndarray:
    """Nine seconds of audio that are the same on every machine and with every version of numpy.

    Three parts of three seconds: plucked chords; a quiet sweep with vibrato; noise bursts over a bass. The
    noise comes from a linear congruential generator written out here, because numpy may change its own.

    Returns
    -------
    np.ndarray, shape (144000,), float32, at 16 kHz
    """
    t = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE  # s

    beat = t % 0.5
    chord = np.zeros_like(t)
    for pitch in (220.0, 277.18, 329.63):  # A major, in Hz
        for harmonic in range(1, 7):
            chord += np.sin(2 * np.pi * pitch * harmonic * t) * np.exp(-6 * beat) / harmonic
    chord *= 0.2

    sweep = 0.02 * np.sin(2 * np.pi * (300 * t + 250 * t**2) + 3 * np.sin(2 * np.pi * 5 * t))

    state = 1
    noise = np.empty_like(t)
    for i in range(len(noise)):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
        noise[i] = state / 2**31 - 1
    drums = 0.6 * noise * np.exp(-40 * (t % 0.25)) + 0.3 * np.sin(2 * np.pi * 55 * t)

    return np.concatenate([chord, sweep, drums]).astype(np.float32)


def log_mel_patches(audio: np.ndarray) -> np.ndarray:
    """The input of musicnn as the wheel's `extractor.py` computes it, but in float32 instead of float16.

    Returns
    -------
    np.ndarray, shape (patches, 187, 96), float32
    """
    import librosa

    power = librosa.feature.melspectrogram(y=audio, sr=SAMPLE_RATE, hop_length=256, n_fft=512, n_mels=N_MELS)
    mel = np.log10(10_000 * power.T + 1).astype(np.float32)
    starts = range(0, len(mel) - PATCH_FRAMES + 1, PATCH_FRAMES)
    return np.stack([mel[start : start + PATCH_FRAMES] for start in starts])


def run_tensorflow(wheel_folder: Path, tagger: str, mel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate one published tagger with TensorFlow.

    Parameters
    ----------
    wheel_folder : Path
        Where the musicnn wheel was unpacked.
    tagger : str
        "MTT_musicnn" or "MSD_musicnn".
    mel : np.ndarray, shape (patches, 187, 96)

    Returns
    -------
    probabilities : np.ndarray, shape (patches, 50)
    penultimate : np.ndarray, shape (patches, 200)
    """
    import tensorflow as tf

    sys.path.insert(0, str(wheel_folder))
    from musicnn import models  # the published graph

    tf.compat.v1.disable_eager_execution()
    tf.compat.v1.reset_default_graph()
    x = tf.compat.v1.placeholder(tf.float32, [None, PATCH_FRAMES, N_MELS])
    is_training = tf.compat.v1.placeholder(tf.bool)
    logits, *_, penultimate = models.define_model(x, is_training, tagger, N_LABELS)
    with tf.compat.v1.Session() as session:
        tf.compat.v1.train.Saver().restore(session, f"{wheel_folder / 'musicnn' / tagger}/")
        return session.run([tf.sigmoid(logits), penultimate], {x: mel, is_training: False})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="musicnn-0.1.0-py3-none-any.whl")
    wheel = parser.parse_args().wheel

    arrays = {"mel": log_mel_patches(made_up_piece())}
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        for name, tagger in TAGGERS.items():
            probabilities, embedding = run_tensorflow(Path(folder), tagger, arrays["mel"])
            arrays[f"{name}_probabilities"] = probabilities
            arrays[f"{name}_embedding"] = embedding
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(OUTPUT, **arrays)
    for key, array in arrays.items():
        print(f"{key:18s} {array.shape!s:15s} {array.dtype} from {array.min():.4g} to {array.max():.4g}")


if __name__ == "__main__":
    main()
