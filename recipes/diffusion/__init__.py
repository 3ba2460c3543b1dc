"""Text-conditioned latent diffusion on the codec's latents: training, export, generation. ``__main__`` says how."""
