"""What audio has to be before anything is computed from it: one channel of finite samples, long and soft enough."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # torch takes seconds to import
    import torch

LOUDEST = 16.0  # far over full scale: integers stored as floats, or a wrong scale


def check_signal(audio: np.ndarray, who: str, sample_rate: int = 0, shortest: float = 0.0) -> np.ndarray:
    """Return mono audio as float32, or raise if nothing sensible can be computed from it.

    Parameters
    ----------
    audio : np.ndarray, shape (samples,)
        A waveform, between -1 and 1; music that was resampled or decoded overshoots that a little.
    who : str
        What asks for the audio, or what the audio is called: the beginning of the message.
    sample_rate : int, optional
        Samples a second, Hz. Needed where ``shortest`` is given.
    shortest : float, optional
        The least duration, in seconds. By default one sample is enough.

    Returns
    -------
    np.ndarray, shape (samples,), float32

    Raises
    ------
    ValueError
        If the audio has more than one axis, no samples or too few, samples that are NaN or infinite, or samples
        over ``LOUDEST``.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(
            f"{who} got audio of shape {audio.shape} and expects mono audio of shape (samples,): average the channels "
            "first, and pass one clip at a time."
        )
    if audio.size == 0 and not shortest:
        raise ValueError(f"{who} got 0 samples and expects at least one: look where the audio comes from.")
    if audio.size < shortest * sample_rate:
        raise ValueError(
            f"{who} got {audio.size} samples, {audio.size / sample_rate:.2f} s at {sample_rate / 1000:g} kHz, and "
            f"expects at least {shortest:g} s: take a longer clip, or repeat this one with np.resize."
        )
    if bad := np.count_nonzero(~np.isfinite(audio)):
        raise ValueError(
            f"{who} got {bad} samples that are NaN or infinite and expects finite audio: look for a division by zero "
            "or a broken file where the audio was made."
        )
    if (peak := np.abs(audio.astype(np.float64)).max()) > LOUDEST:
        raise ValueError(
            f"{who} got samples up to {peak:.0f}, where -1 to 1 is expected: divide integers by their full scale, "
            "which is 32768 for 16 bits."
        )
    return audio.astype(np.float32, copy=False)


def check_batch(audio: "torch.Tensor", who: str) -> None:
    """Raise unless audio is a batch of mono signals that a network can read.

    Parameters
    ----------
    audio : torch.Tensor, shape (batch, 1, samples)
    who : str
        As in ``check_signal``.

    Raises
    ------
    ValueError
        If the shape is another one, or as ``check_signal`` for a clip of the batch.
    """
    if audio.ndim != 3 or audio.shape[1] != 1:
        raise ValueError(
            f"{who} got audio of shape {tuple(audio.shape)} and expects one channel, (batch, 1, samples): average the "
            "channels of stereo first, audio.mean(dim=1, keepdim=True)."
        )
    check_signal(audio.detach().flatten().cpu().float().numpy(), who)
