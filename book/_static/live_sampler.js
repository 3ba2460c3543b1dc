// From noise to latents: DDIM without new noise (Song, Meng and Ermon, 2021) for a denoiser that predicts the velocity,
// with guidance, step by step as DDIMScheduler of diffusers and musicwords/diffusion.py do it.

// Return a whole number, and of two that are as near the even one, as NumPy does.
function rounded(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

// Return so many timesteps of `total`, the noisiest one first.
export function timesteps(count, total) {
  return Array.from({ length: count }, (_, place) => rounded(total - (place * total) / count) - 1);
}

function deviation(values) {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

// Return velocities that are moved by `scale` from those without the prompt to those with it, and a part of the way,
// `rescale`, back to the deviation of the latter.
export function guided(without, withPrompt, scale, rescale) {
  const found = withPrompt.map((value, place) => without[place] + scale * (value - without[place]));
  const ratio = deviation(withPrompt) / Math.max(deviation(found), 1e-6);
  const factor = 1 + rescale * (ratio - 1);
  return found.map((value) => value * factor);
}

// Return latents without noise.
//
// `velocities(latents, level)` returns a promise of one array, or with guidance of two: with the prompt, and without it.
// `shares` has for each timestep of training which share of the variance is music. After each step, `report(step, guess)`
// is awaited with what the latents would be without their noise; where it returns false, nothing is returned.
export async function sample({ noise, velocities, shares, steps, guidance, rescale, report }) {
  const total = shares.length;
  let latents = noise;
  for (const [place, timestep] of timesteps(steps, total).entries()) {
    const [withPrompt, without] = await velocities(latents, timestep / total);
    const velocity = guidance === 1 ? withPrompt : guided(without, withPrompt, guidance, rescale);
    const later = timestep - Math.floor(total / steps);
    const [music, noisy] = [Math.sqrt(shares[timestep]), Math.sqrt(1 - shares[timestep])];
    const share = later < 0 ? 1 : shares[later];
    const [nextMusic, nextNoisy] = [Math.sqrt(share), Math.sqrt(1 - share)];
    const guess = latents.map((value, at) => music * value - noisy * velocity[at]);
    latents = latents.map((value, at) => nextMusic * guess[at] + nextNoisy * (music * velocity[at] + noisy * value));
    if ((await report(place + 1, guess)) === false) return undefined;
  }
  return latents;
}
