// Loads what live pages run: files of groups that book/live/parts.py makes.
//
// What has the ending .gzip is compressed there and unpacked here, since not every web server compresses it on the way.
// A file is named with its group, such as "search/tokenizers.js"; `folders` has the address of each group.

// What runs models: to be loaded with them, and given to `sessions`.
export const RUNTIME = {
  scripts: { ort: "runtime/onnxruntime.js" },
  packed: { wasm: "runtime/onnxruntime.wasm.gzip" },
};

// A file did not arrive: `file` is its name.
export class Missing extends Error {
  constructor(file, cause) {
    super(`${file} did not arrive`, { cause });
    this.file = file;
  }
}

// Return the unpacked bytes of a file, and call `report` with the length of each packed piece that arrives.
async function bytes(address, report, signal) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const count = new TransformStream({
    transform(piece, controller) {
      report(piece.length);
      controller.enqueue(piece);
    },
  });
  const unpacked = response.body.pipeThrough(count).pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

// Return modules and unpacked files under the names that they have in `scripts` and `packed`. `report` is called with
// how many bytes of the packed files have arrived. Where `signal` is aborted, nothing more is loaded.
export async function load(folders, { scripts, packed }, report, signal) {
  let arrived = 0;
  const stop = new AbortController(); // where one file does not arrive, the others are not waited for
  signal?.addEventListener("abort", () => stop.abort());
  const add = (length) => stop.signal.aborted || report((arrived += length));
  const one = async (name, place, get) => {
    const [group, file] = place.split("/");
    try {
      return [name, await get(new URL(file, folders[group]))];
    } catch (error) {
      throw new Missing(file, error);
    }
  };
  const all = (places, get) => Object.entries(places).map(([name, place]) => one(name, place, get));
  try {
    const found = [
      ...all(scripts, (address) => import(address)),
      ...all(packed, (address) => bytes(address, add, stop.signal)),
    ];
    return Object.fromEntries(await Promise.all(found));
  } catch (error) {
    stop.abort();
    throw error;
  }
}

// Return a function that makes a session of the bytes of an ONNX graph.
export function sessions(ort, wasm) {
  ort.env.wasm.numThreads = 1; // more need headers that GitHub Pages does not send
  ort.env.wasm.wasmBinary = wasm;
  return (graph) => ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
}

// Return what the bytes of a JSON file say.
export function parse(data) {
  return JSON.parse(new TextDecoder().decode(data));
}

// Return the clips with their similarity to a unit vector, the most similar one first.
export function rankClips(clips, query) {
  return clips
    .map((clip) => ({ clip, similarity: clip.embedding.reduce((sum, one, place) => sum + one * query[place], 0) }))
    .sort((one, two) => two.similarity - one.similarity);
}
