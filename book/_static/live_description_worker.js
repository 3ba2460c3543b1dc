// Runs the models that describe a sound, so that the page stays responsive. To stop it, end the worker.

import { load } from "./live_description_model.js";

let model; // a promise, from the first sound on

self.addEventListener("message", async ({ data: { folders, audio } }) => {
  try {
    model ??= load(folders, (arrived) => self.postMessage({ kind: "arrived", arrived }));
    const { describe, settings } = await model;
    self.postMessage({ kind: "ready", labels: settings.labels });
    for await (const window of describe(audio)) {
      const ranking = window.ranking.map(({ clip: { embedding, ...clip }, similarity }) => ({ clip, similarity }));
      self.postMessage({ kind: "window", ...window, ranking });
    }
    self.postMessage({ kind: "done" });
  } catch (error) {
    self.postMessage({ kind: "error", file: error.file, reason: error.message });
  }
});
