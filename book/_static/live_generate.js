// The page that generates music: fields and buttons, progress, and the last sounds. It needs live_widget.js.
//
// The model is loaded by the first click, and runs in a worker, live_generator_worker.js.

const KEPT = 5; // sounds

function equipGenerator(widget) {
  const form = widget.querySelector("form");
  const [start, again] = [".live-start", ".live-again"].map((one) => widget.querySelector(one));
  const status = widget.querySelector(".live-status");
  const progress = widget.querySelector(".live-progress");
  const [step, bar, canvas] = [".live-step", "progress", "canvas"].map((one) => progress.querySelector(one));
  const results = widget.querySelector(".live-results");
  const words = wordsOf(widget);
  const { prompt, negative, guidance, steps, seed, seconds } = form.elements;
  const numbers = [guidance, steps, seed, seconds];
  let worker;
  let ready = false; // the worker has the model
  let job = 0;
  let asked; // the settings of the job that runs
  let began;

  const hindered = hindrance(widget, words);
  if (hindered) {
    status.textContent = hindered;
    return;
  }

  const labelOf = (field) => field.labels[0].textContent;
  const said = (value) => value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
  const passed = () => said((performance.now() - began) / 1000);

  // Return the settings, or undefined where a number does not fit: then it is said which, and the field has the focus.
  const settings = () => {
    for (const field of numbers) field.removeAttribute("aria-invalid");
    const wrong = numbers.find((field) => !field.validity.valid || field.value === "");
    if (!wrong) {
      const given = Object.fromEntries(numbers.map((field) => [field.name, Number(field.value)]));
      return { prompt: prompt.value, negative: negative.value, ...given };
    }
    const values = { field: labelOf(wrong), value: wrong.value, low: wrong.min, high: wrong.max };
    status.textContent = words(wrong.step === "1" ? "whole" : "number", values);
    wrong.setAttribute("aria-invalid", "true");
    wrong.closest("details").open = true;
    wrong.focus();
    return undefined;
  };

  const end = (message) => {
    asked = undefined;
    progress.hidden = canvas.hidden = true;
    start.textContent = words("generate");
    status.textContent = message;
  };

  const leave = () => {
    worker.terminate();
    worker = undefined;
    ready = false;
  };

  const stop = () => {
    if (ready) worker.postMessage({ stop: true });
    else leave(); // and with it what it loads
    end(words("stopped"));
  };

  const show = ({ pixels, width, height }) => {
    Object.assign(canvas, { width, height, hidden: false });
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  };

  // Return an entry of the list with a player.
  const entry = async (made, { sound, level, picture }) => {
    show(picture);
    const painted = await new Promise((done) => canvas.toBlob(done));
    const title = made.prompt.trim() || words("empty");
    const decibels = Math.round(level);
    const about = [
      words("made", made),
      made.negative.trim() && words("against", made),
      decibels > 0 && words("louder", { decibels }),
      decibels < 0 && words("softer", { decibels: -decibels }),
    ].filter(Boolean).join("; ");
    const address = URL.createObjectURL(new Blob([sound], { type: "audio/wav" }));
    const { low, high } = picture;
    const alt = words("alt", { seconds: said(made.seconds), low, high });
    const image = element("img", { width: 480, height: 96, alt, src: URL.createObjectURL(painted) });
    const audio = element("audio", { controls: true, preload: "metadata", src: address });
    audio.setAttribute("aria-label", `${title}; ${about}`);
    const link = element("a", { href: address, download: `music_seed_${made.seed}.wav` }, words("download"));
    const caption = element("figcaption", {}, element("strong", {}, title), element("small", {}, about));
    return element("li", {}, element("figure", { className: "sound" }, caption, image, audio), link);
  };

  const keep = (item) => {
    results.prepend(item);
    for (const old of [...results.children].slice(KEPT)) {
      for (const { src } of old.querySelectorAll("img, audio")) URL.revokeObjectURL(src);
      old.remove();
    }
  };

  const short = (text) => (text.length > 60 ? `${text.slice(0, 60)} …` : text);

  // Return what the model did not read of the texts.
  const notRead = (notes) =>
    notes.flatMap(({ field, pieces, unknown, left }) => {
      const values = { text: short(asked[field]), pieces, unknown, left, read: pieces - left };
      return [unknown && words("unknown", values), left && words("left", values)].filter(Boolean);
    });

  const answer = async ({ data }) => {
    if (data.job !== job || !asked) return; // it was stopped
    if ("arrived" in data) report(data.arrived);
    if (data.ready) {
      ready = true;
      began = performance.now();
      status.textContent = words("started");
    }
    if (data.step) {
      bar.value = data.step;
      step.textContent = words("step", { step: data.step, steps: asked.steps, seconds: passed() });
      progress.hidden = false;
      if (data.picture) show(data.picture);
    }
    if (data.sound) {
      const message = [words("done", { seconds: passed() }), ...notRead(data.notes)].join(" ");
      keep(await entry(asked, data));
      again.hidden = false;
      end(message);
    }
    if (data.problem) {
      if (data.problem === "unread") {
        const values = { text: short(asked[data.field]), pieces: data.pieces, known: data.pieces - data.unknown };
        return end(words("unread", values));
      }
      leave();
      end(words(data.problem, data));
    }
  };

  let report;
  const run = () => {
    const given = settings();
    if (!given) return;
    asked = given;
    job += 1;
    start.textContent = words("stop");
    bar.max = given.steps;
    bar.removeAttribute("value");
    if (!worker) {
      report = progressOf(widget, words, (message) => (status.textContent = message));
      report(0);
      worker = new Worker(new URL("live_generator_worker.js", STATIC), { type: "module" });
      worker.addEventListener("message", answer);
      worker.addEventListener("error", () => {
        leave();
        end(words("failed", { file: "live_generator_worker.js" }));
      });
    }
    worker.postMessage({ job, folders: foldersOf(widget), settings: given });
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (asked) stop();
    else run();
  });
  again.addEventListener("click", () => {
    if (asked) stop();
    seed.value = (Number(seed.value) + 1) % (Number(seed.max) + 1);
    run();
  });
  for (const button of widget.querySelectorAll(".live-example")) {
    button.addEventListener("click", () => {
      if (asked) stop();
      prompt.value = button.textContent;
      run();
    });
  }
  bar.setAttribute("aria-label", words("started"));
  canvas.setAttribute("aria-label", words("guess"));
  for (const part of widget.querySelectorAll(":disabled")) part.disabled = false;
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".live-generate").forEach(equipGenerator));
