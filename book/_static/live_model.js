// The text tower of the mini CLAP in a browser: ranks the clips by the words of a reader.
//
// All that it needs is in one folder, which book/live/parts.py makes. What has the ending .gzip is compressed there and
// unpacked here, since not every web server compresses it on the way.

const FILES = { wasm: "onnxruntime.wasm.gzip", tower: "text_tower.onnx.gzip", clips: "clips.json.gzip" };
const SCRIPTS = { ort: "onnxruntime.js", tokenizers: "tokenizers.js" };

// A file did not arrive: `file` is its name.
export class Missing extends Error {
  constructor(file, cause) {
    super(`${file} did not arrive`, { cause });
    this.file = file;
  }
}

// Return the unpacked bytes of a file, and call `report` with the length of each packed piece that arrives.
async function bytes(folder, name, report, signal) {
  try {
    const response = await fetch(new URL(name, folder), { signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const count = new TransformStream({
      transform(piece, controller) {
        report(piece.length);
        controller.enqueue(piece);
      },
    });
    const unpacked = response.body.pipeThrough(count).pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(unpacked).arrayBuffer());
  } catch (error) {
    throw new Missing(name, error);
  }
}

async function script(folder, name) {
  try {
    return await import(new URL(name, folder));
  } catch (error) {
    throw new Missing(name, error);
  }
}

// Return a model: `clips`, `pieces(text)` with the ids of the word pieces, and `rank(text)` with the clips, best first.
// `report` is called with how many bytes of the packed files have arrived.
export async function load(folder, report) {
  let arrived = 0;
  const stop = new AbortController(); // where one file does not arrive, the others are not waited for
  const add = (length) => stop.signal.aborted || report((arrived += length));
  const [ort, { Tokenizer }, wasm, tower, data] = await Promise.all([
    script(folder, SCRIPTS.ort),
    script(folder, SCRIPTS.tokenizers),
    ...[FILES.wasm, FILES.tower, FILES.clips].map((name) => bytes(folder, name, add, stop.signal)),
  ]).catch((error) => {
    stop.abort();
    throw error;
  });
  const { tokenizer, config, clips } = JSON.parse(new TextDecoder().decode(data));
  const words = new Tokenizer(tokenizer, config);
  const end = words.encode("").ids.at(-1);
  ort.env.wasm.numThreads = 1; // more need headers that GitHub Pages does not send
  ort.env.wasm.wasmBinary = wasm;
  const session = await ort.InferenceSession.create(tower, { executionProviders: ["wasm"] });

  // A text that is too long is cut as in Python: its first pieces, and the one that ends a text.
  const pieces = (text) => {
    const { ids } = words.encode(text);
    return ids.length > config.model_max_length ? [...ids.slice(0, config.model_max_length - 1), end] : ids;
  };

  const rank = async (text) => {
    const ids = BigInt64Array.from(pieces(text), BigInt);
    const results = await session.run({ input_ids: new ort.Tensor("int64", ids, [1, ids.length]) });
    const query = results.text_embedding.data;
    return clips
      .map((clip) => ({ clip, similarity: clip.embedding.reduce((sum, one, place) => sum + one * query[place], 0) }))
      .sort((one, two) => two.similarity - one.similarity);
  };
  return { clips, pieces, rank };
}
