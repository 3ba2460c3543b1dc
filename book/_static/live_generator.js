// The mini diffusion model in a browser: from words to a sound. It runs in live_generator_worker.js.

import { RUNTIME, load as loadParts, parse, sessions } from "./live_parts.js";
import { normalNoise } from "./live_noise.js";
import { sample } from "./live_sampler.js";

const SCRIPTS = { ...RUNTIME.scripts, tokenizers: "generate/tokenizers.js" };
const PACKED = {
  ...RUNTIME.packed,
  encoder: "generate/prompt_encoder.onnx.gzip",
  denoiser: "generate/denoiser.onnx.gzip",
  decoder: "generate/decoder.onnx.gzip",
  facts: "generate/generator.json.gzip",
};

// Return a model: `facts`, which are those of book/live/generator.py, and what is returned at the end. `report` is
// called with how many bytes of the packed files have arrived.
export async function load(folders, report) {
  const { ort, wasm, tokenizers, ...packed } = await loadParts(folders, { scripts: SCRIPTS, packed: PACKED }, report);
  const facts = parse(packed.facts);
  const { longest, width, channels, frames } = facts;
  const words = new tokenizers.Tokenizer(facts.tokenizer, facts.tokenizerConfig);
  const [first, last] = words.encode("").ids;
  const unknown = words.token_to_id(facts.tokenizerConfig.unk_token);
  const session = sessions(ort, wasm);
  const encoder = await session(packed.encoder);
  const denoiser = await session(packed.denoiser);
  const decoder = await session(packed.decoder);
  const numbers = (data, ...shape) => new ort.Tensor("float32", data, shape);

  // Return what the model reads of a text, `ids`, and how many of its `pieces` are `unknown` and how many are `left` out.
  const read = (text) => {
    const pieces = words.encode(text).ids.slice(1, -1);
    const kept = pieces.slice(0, longest - 2);
    return {
      ids: [first, ...kept, last],
      pieces: pieces.length,
      unknown: pieces.filter((id) => id === unknown).length,
      left: pieces.length - kept.length,
    };
  };

  // Return the states of a text, and their mean. A blank text is no condition: zeros.
  const encode = async (text) => {
    if (!text.trim()) return { states: new Float32Array(longest * width), mean: new Float32Array(width) };
    const ids = BigInt64Array.from(read(text).ids, BigInt);
    const { states, mean } = await encoder.run({ input_ids: new ort.Tensor("int64", ids, [1, ids.length]) });
    return { states: states.data, mean: mean.data };
  };

  // Return latents: see `sample` for `report`.
  const denoise = async ({ prompt, negative, steps, guidance, noise }, report) => {
    const asked = [await encode(prompt), ...(guidance === 1 ? [] : [await encode(negative)])];
    const join = (name) => Float32Array.from(asked.flatMap((one) => [...one[name]]));
    const states = numbers(join("states"), asked.length, longest, width);
    const mean = numbers(join("mean"), asked.length, 1, width);
    const velocities = async (latents, level) => {
      const inputs = { latents: numbers(latents, 1, channels, frames), level: numbers([level], 1), states, mean };
      const { velocity } = await denoiser.run(inputs);
      return asked.map((_, place) => velocity.data.slice(place * latents.length, (place + 1) * latents.length));
    };
    return sample({ noise, velocities, shares: facts.shares, steps, guidance, rescale: facts.rescale, report });
  };

  // Return of latents the samples, and the power of the mel bands in each frame, both of the first seconds.
  const decode = async (latents, seconds) => {
    const { audio, bands } = await decoder.run({ latents: numbers(latents, 1, channels, frames) });
    const part = (seconds * facts.rate) / facts.samples;
    const shown = Math.max(1, Math.round(bands.dims[1] * part));
    return {
      samples: audio.data.slice(0, Math.round(facts.samples * part)),
      power: bands.data.slice(0, shown * bands.dims[2]),
    };
  };

  const noiseOf = (seed) => normalNoise(channels * frames, seed);
  return { facts, read, encode, denoise, decode, noiseOf };
}
