// A reader's own sound, brought into the form that the models hear: mono, at a third of the rate it is decoded at.
//
// A browser resamples to any rate itself, but with a short filter, which changes what the models say. So it decodes to
// 48 kHz, which changes nothing below 16 kHz, and `thirdOf` does the rest as soxr does in Python.

export const DECODED_RATE = 48_000;
const CANCELED = 0.01; // of the level of a channel: the channels are of opposite phase, as in musicwords/decoding.py
const PASS = 7_300; // Hz: soxr begins to attenuate there
const STOP = 8_000; // Hz: half of the rate of the result
const HALF = 240; // samples on each side of the middle of the filter
const KAISER = 10; // shape of its window: 100 dB of attenuation

// Return the mean of the channels of a file's bytes, its first `most` seconds, and the seconds that the file lasts.
export async function decode(bytes, most) {
  const context = new OfflineAudioContext(1, 1, DECODED_RATE);
  const decoded = await context.decodeAudioData(bytes);
  const length = Math.min(decoded.length, Math.round(most * DECODED_RATE));
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, place) =>
    decoded.getChannelData(place).subarray(0, length),
  );
  return { audio: mixed(channels), seconds: decoded.duration };
}

// Return the mean of the channels; where they cancel each other, the loudest one.
function mixed(channels) {
  if (channels.length === 1) return channels[0].slice();
  const mean = new Float32Array(channels[0].length);
  for (const channel of channels) for (let at = 0; at < mean.length; at++) mean[at] += channel[at] / channels.length;
  const levels = channels.map(level);
  const loudest = levels.indexOf(Math.max(...levels));
  return level(mean) < CANCELED * levels[loudest] ? channels[loudest].slice() : mean;
}

// Return the root mean square of samples.
export function level(audio) {
  return Math.sqrt(audio.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(audio.length, 1));
}

function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

// A windowed sinc that lets pass what is below PASS and nothing above STOP: coefficients from the middle on.
const FILTER = Float64Array.from({ length: HALF }, (_, n) => {
  const cutoff = (PASS + STOP) / 2 / DECODED_RATE;
  const sinc = n ? Math.sin(2 * Math.PI * cutoff * n) / (Math.PI * n) : 2 * cutoff;
  return (sinc * bessel(KAISER * Math.sqrt(1 - (n / HALF) ** 2))) / bessel(KAISER);
});

// Return `count` samples at a third of the rate, from sample `start` of the result on. What is outside of the audio is
// silence, and what overshoots full scale is clipped.
export function thirdOf(audio, start, count) {
  const from = 3 * start - HALF;
  const around = new Float32Array(3 * count + 2 * HALF);
  around.set(audio.subarray(Math.max(from, 0), Math.max(from + around.length, 0)), Math.max(-from, 0));
  const result = new Float32Array(count);
  for (let n = 0; n < count; n++) {
    const middle = 3 * n + HALF;
    let sum = FILTER[0] * around[middle];
    for (let k = 1; k < HALF; k++) sum += FILTER[k] * (around[middle - k] + around[middle + k]);
    result[n] = Math.min(1, Math.max(-1, sum));
  }
  return result;
}
