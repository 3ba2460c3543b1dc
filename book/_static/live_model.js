// The text tower of the mini CLAP in a browser: ranks the clips by the words of a reader.

import { RUNTIME, load as loadParts, parse, rankClips, sessions } from "./live_parts.js";

const SCRIPTS = { ...RUNTIME.scripts, tokenizers: "search/tokenizers.js" };
const PACKED = {
  ...RUNTIME.packed,
  tower: "search/text_tower.onnx.gzip",
  words: "search/tokenizer.json.gzip",
  data: "clips/clips.json.gzip",
};

// Return a model: `clips`, `pieces(text)` with the ids of the word pieces, and `rank(text)` with the clips, best first.
// `report` is called with how many bytes of the packed files have arrived.
export async function load(folders, report) {
  const found = await loadParts(folders, { scripts: SCRIPTS, packed: PACKED }, report);
  const { tokenizer, config } = parse(found.words);
  const clips = parse(found.data);
  const words = new found.tokenizers.Tokenizer(tokenizer, config);
  const end = words.encode("").ids.at(-1);
  const session = await sessions(found.ort, found.wasm)(found.tower);

  // A text that is too long is cut as in Python: its first pieces, and the one that ends a text.
  const pieces = (text) => {
    const { ids } = words.encode(text);
    return ids.length > config.model_max_length ? [...ids.slice(0, config.model_max_length - 1), end] : ids;
  };

  const rank = async (text) => {
    const ids = BigInt64Array.from(pieces(text), BigInt);
    const results = await session.run({ input_ids: new found.ort.Tensor("int64", ids, [1, ids.length]) });
    return rankClips(clips, results.text_embedding.data);
  };
  return { clips, pieces, rank };
}
