// What a reader gets of generated sound: a WAV file, and a mel spectrogram.

const SOFTEST = 0.2; // of the loudest sample that a file has, unless all of it is silence
const SILENT = 1e-5;

// Return by how many decibels samples are changed for a file: what is hardly heard becomes louder, and what is too loud
// for it softer, so that nobody has to turn up the volume before a loud sound.
export function levelOf(samples) {
  const loudest = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (loudest < SILENT) return 0;
  return 20 * Math.log10(Math.min(1, Math.max(SOFTEST, loudest)) / loudest);
}

// Return the bytes of a WAV file, mono, 16 bits, of samples that are changed by a level.
export function wave(samples, rate, level) {
  const factor = 32767 * 10 ** (level / 20);
  const size = 2 * samples.length;
  const view = new DataView(new ArrayBuffer(44 + size));
  const write = (place, text) => [...text].forEach((letter, at) => view.setUint8(place + at, letter.charCodeAt()));
  write(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of what follows
  view.setUint16(20, 1, true); // whole numbers
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, size, true);
  samples.forEach((value, place) => {
    view.setInt16(44 + 2 * place, Math.max(-32767, Math.min(32767, Math.round(factor * value))), true);
  });
  return view.buffer;
}

// Return a spectrogram as `pixels` of a picture, time to the right and pitch upward, of this `width` and `height`, and
// between which frequencies, `low` and `high`, most of its energy lies. `power` has the bands of each frame.
export function picture(power, { bands, colors, range, softest }) {
  const [height, width] = [bands.length, power.length / bands.length];
  const loudest = power.reduce((most, value) => Math.max(most, value), softest);
  const pixels = new Uint8ClampedArray(4 * width * height).fill(255);
  const sums = new Float64Array(height);
  power.forEach((value, place) => {
    const [frame, band] = [Math.floor(place / height), place % height];
    const level = 1 + (10 * Math.log10(Math.max(value, 1e-10) / loudest)) / range; // 1 is loudest, and 0 softest
    const color = colors[Math.round(255 * Math.max(0, level))];
    pixels.set(color, 4 * ((height - 1 - band) * width + frame));
    sums[band] += value;
  });
  const total = sums.reduce((sum, value) => sum + value, 0);
  const reached = (share) => {
    let sum = 0;
    return bands[sums.findIndex((value) => (sum += value) >= share * total)] ?? bands.at(-1);
  };
  return { pixels, width, height, low: reached(0.1), high: reached(0.9) };
}
