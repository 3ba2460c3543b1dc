// The models that describe a sound in a browser: a tagger, the ears of the mini CLAP, and the captioner.

import { level, thirdOf } from "./live_audio.js";
import { RUNTIME, load as loadParts, parse, rankClips, sessions } from "./live_parts.js";

const PACKED = {
  ...RUNTIME.packed,
  ears: "description/ears.onnx.gzip",
  writer: "description/writer.onnx.gzip",
  tagger: "description/tagger.onnx.gzip",
  words: "description/settings.json.gzip",
  data: "clips/clips.json.gzip",
};
const SILENT = 0.001; // root mean square of a window that is not described, -60 dBFS

// Return models that describe: see `describe`. `report` is called with how many packed bytes have arrived.
export async function load(folders, report) {
  const found = await loadParts(folders, { scripts: RUNTIME.scripts, packed: PACKED }, report);
  const { ort } = found;
  const settings = parse(found.words);
  const clips = parse(found.data);
  const start = sessions(ort, found.wasm);
  const [ears, writer, tagger] = [await start(found.ears), await start(found.writer), await start(found.tagger)];
  const floats = (data, shape) => new ort.Tensor("float32", data, shape);

  // Return decibels of mel bands, a unit vector, and a prefix for `write`, of ten seconds.
  const hear = async (audio) => {
    const { mel, audio_embedding, prefix } = await ears.run({ audio: floats(audio, [1, audio.length]) });
    return { mel: mel.data, embedding: audio_embedding.data, prefix };
  };

  // Return a caption: the most probable tokens, one by one.
  const write = async (heard) => {
    const { start: first, end, longest, width, pieces } = settings;
    let past = floats(new Float32Array(0), settings.past);
    let prefix = heard;
    let token = new ort.Tensor("int64", [BigInt(first)], [1, 1]);
    const bytes = [];
    for (let count = 0; count < longest; count++) {
      const { following, present } = await writer.run({ prefix, token, past });
      const id = Number(following.data[0]);
      if (id === end) break;
      bytes.push(...pieces[id]);
      [past, token, prefix] = [present, following, floats(new Float32Array(0), [1, 0, width])];
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  };

  // Return the probability of each tag in the three seconds of a patch.
  const tag = async (audio) => {
    const { probabilities } = await tagger.run({ audio: floats(audio, [1, audio.length]) });
    return Array.from(probabilities.data);
  };

  // Describe audio, whose rate is three times that of the models, in windows of ten seconds: yield of each its start in
  // seconds, its caption (null if it is silent), the tags of the patches that end in it, and the clips that are most
  // similar to all windows so far. A short sound is repeated, and a short rest at the end is left out.
  const describe = async function* (audio) {
    const { rate, seconds, hop, patch, patchFrames, patchStart } = settings;
    const size = rate * seconds;
    const there = Math.floor(audio.length / 3);
    const windows = Math.max(1, Math.floor(there / size) + (there % size > size / 2 ? 1 : 0));
    const length = Math.max(size, Math.min(there, windows * size));
    const all = new Float32Array(length);
    const patches = Math.floor((Math.floor(length / hop) + 1) / patchFrames);
    const sum = new Float64Array(clips[0].embedding.length);
    let tagged = 0;
    for (let number = 0; number < windows; number++) {
      const from = number * size;
      const to = Math.min(from + size, length);
      all.set(thirdOf(audio, from, Math.min(to, there) - from), from);
      for (let at = there; at < size; at++) all[at] = all[at - there]; // of a short sound
      const window = new Float32Array(size); // filled up with silence
      window.set(all.subarray(from, to));
      let caption = null;
      if (level(window.subarray(0, to - from)) > SILENT) {
        const { embedding, prefix } = await hear(window);
        embedding.forEach((one, place) => (sum[place] += one));
        caption = await write(prefix);
      }
      const tags = [];
      for (; tagged < patches; tagged++) {
        const first = tagged * patchFrames * hop + patchStart;
        if (first + patch > to && number < windows - 1) break; // its end is not there yet
        const part = new Float32Array(patch);
        part.set(all.subarray(Math.max(first, 0), first + patch), Math.max(-first, 0));
        tags.push({ start: (tagged * patchFrames * hop) / rate, probabilities: await tag(part) });
      }
      const norm = Math.hypot(...sum) || 1;
      const ranking = rankClips(clips, sum.map((one) => one / norm));
      yield { number, windows, start: number * seconds, end: to / rate, caption, tags, ranking };
    }
  };
  return { settings, clips, hear, write, tag, describe };
}
