"""The delay pattern of MusicGen: codebook k is written k steps later than the first, so that it can see the others.

Source: J. Copet et al., "Simple and controllable music generation", NeurIPS 2023, section 2.2. arXiv:2306.05284
"""

import torch


def delayed(codes: torch.Tensor, pad: int) -> torch.Tensor:
    """Codes in the order in which they are written.

    Parameters
    ----------
    codes : torch.Tensor, shape (batch, codebooks, frames)
    pad : int
        What stands where a codebook has not begun or has ended; also the first step of all.

    Returns
    -------
    torch.Tensor, shape (batch, codebooks, frames + codebooks)
        Code ``t`` of codebook ``k`` stands at step ``1 + k + t``.
    """
    batch, codebooks, frames = codes.shape
    steps = codes.new_full((batch, codebooks, frames + codebooks), pad)
    for codebook in range(codebooks):
        steps[:, codebook, 1 + codebook : 1 + codebook + frames] = codes[:, codebook]
    return steps
