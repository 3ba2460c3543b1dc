// Generates beside the page, so that the page can be used meanwhile.
//
// Told {job, folders, settings}, it loads the model, once, and says {job, arrived} with the bytes that are here, and
// {job, ready}. Then it says {job, step, picture}, and at last {job, sound, level, picture, notes}, or {job, problem} with
// what is wrong. Told {stop}, it says nothing more of a job, and leaves off after the step that it is in.

import { load } from "./live_generator.js";
import { levelOf, picture, wave } from "./live_sound.js";

const DRAWN = 4; // a picture each so many steps, since one takes as long as a step

let model; // a promise
let current; // the job that was not stopped
let before = Promise.resolve(); // one job at a time

const breath = () => new Promise((done) => setTimeout(done)); // in which messages arrive

// Return how much the model reads of each text that was written.
function notesOf({ read }, settings) {
  const written = ["prompt", "negative"].filter((field) => settings[field].trim());
  return written.map((field) => ({ field, ...read(settings[field]) }));
}

async function generate({ facts, denoise, decode, noiseOf }, settings, tell, goesOn) {
  const { seed, steps, seconds } = settings;
  const report = async (step, guess) => {
    const drawn = step < steps && (step === 1 || step % DRAWN === 0);
    tell({ step, picture: drawn && picture((await decode(guess, seconds)).power, facts) });
    await breath();
    return goesOn();
  };
  const latents = await denoise({ ...settings, noise: noiseOf(seed) }, report);
  if (!latents) return undefined;
  const { samples, power } = await decode(latents, seconds);
  const level = levelOf(samples);
  return { sound: wave(samples, facts.rate, level), level, picture: picture(power, facts) };
}

self.addEventListener("message", ({ data: { stop, job, folders, settings } }) => {
  current = stop ? undefined : job;
  if (stop) return;
  const goesOn = () => current === job;
  const tell = (message) => goesOn() && self.postMessage({ job, ...message });
  before = before.then(async () => {
    try {
      model ??= load(folders, (arrived) => tell({ arrived }));
      const loaded = await model;
      await breath();
      if (!goesOn()) return;
      tell({ ready: true });
      const notes = notesOf(loaded, settings);
      const { mostUnknown } = loaded.facts;
      const strange = notes.find(({ pieces, unknown }) => !pieces || unknown > mostUnknown * pieces);
      if (strange) tell({ problem: "unread", ...strange });
      else tell({ ...(await generate(loaded, settings, tell, goesOn)), notes });
    } catch (error) {
      tell({ problem: error.file ? "failed" : "broken", file: error.file, reason: error.message });
    }
  });
});
