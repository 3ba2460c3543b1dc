// Normal noise from a seed: the numbers that torch.randn draws from torch.Generator().manual_seed(seed) on a processor.
//
// They come from the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), 24 bits each, by the transform of Box and
// Muller (1958): of sixteen uniform numbers the first eight give lengths, and the others directions.

const SIZE = 624;
const MIDDLE = 397;

// Return a function that returns the next 32 bits.
function twister(seed) {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let place = 1; place < SIZE; place++) {
    const before = state[place - 1];
    state[place] = Math.imul(1812433253, before ^ (before >>> 30)) + place;
  }
  let next = SIZE;
  const renew = () => {
    for (let place = 0; place < SIZE; place++) {
      const bits = (state[place] & 0x80000000) | (state[(place + 1) % SIZE] & 0x7fffffff);
      state[place] = state[(place + MIDDLE) % SIZE] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
    }
    next = 0;
  };
  return () => {
    if (next === SIZE) renew();
    let bits = state[next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  };
}

// Return so many numbers, a multiple of 16, as a Float32Array. `seed` is a whole number from 0 to 2 ** 32 - 1.
export function normalNoise(count, seed) {
  const draw = twister(seed);
  const found = Float32Array.from({ length: count }, () => (draw() % 2 ** 24) / 2 ** 24);
  for (let first = 0; first < count; first += 16) {
    for (let place = first; place < first + 8; place++) {
      const length = Math.sqrt(-2 * Math.log(1 - found[place]));
      const direction = 2 * Math.PI * found[place + 8];
      found[place] = length * Math.cos(direction);
      found[place + 8] = length * Math.sin(direction);
    }
  }
  return found;
}
