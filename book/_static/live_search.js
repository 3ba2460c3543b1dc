// The search by words: loads the model at the first key, and shows the clips that fit best, each with a player.
//
// What a reader types becomes text and never HTML.

const STATIC = new URL(".", document.currentScript.src);
const SHOWN = 5;
const PAUSE = 200; // milliseconds after a key before a text is looked up
const PICTURE = { width: 480, height: 96, loading: "lazy" };

// Return a new element with these properties and children.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function equipSearch(widget) {
  const form = widget.querySelector("form");
  const field = widget.querySelector("input");
  const status = widget.querySelector(".live-status");
  const results = widget.querySelector(".live-results");
  const folder = new URL(`live/${widget.dataset.key}/`, STATIC);
  let model; // a promise, from the first key on
  let shown = "";
  let timer;
  let busy = false;
  let first = true;

  // Return a message of the page, with what is to stand in its braces.
  const words = (name, values = {}) =>
    widget
      .querySelector(`.live-messages [data-name="${name}"]`)
      .textContent.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const wanted = () => field.value.trim();

  if (location.protocol === "file:") {
    status.textContent = words("file");
    return;
  }

  const load = async () => {
    const total = Number(widget.dataset.bytes);
    let last = "";
    const report = (arrived) => {
      const percent = Math.min(100, Math.floor((arrived / total) * 10) * 10); // in steps, which are read aloud
      const said =
        arrived >= total ? words("preparing") : words("loading", { percent, size: (total / 1e6).toFixed(0) });
      if (said !== last) status.textContent = last = said;
    };
    report(0);
    const { load: loadModel } = await import(new URL("live_model.js", STATIC)).catch((cause) => {
      throw Object.assign(new Error("live_model.js did not arrive", { cause }), { file: "live_model.js" });
    });
    return loadModel(folder, report);
  };

  const player = ({ clip, similarity }) => {
    const media = (name) => new URL(`media/${name}`, STATIC).href;
    const value = element("data", { value: similarity }, similarity.toFixed(2));
    const [before, after = ""] = words("similarity", { value: "\n" }).split("\n");
    const about = element("small", {}, `${clip.creator}, ${clip.licence}; `, before, value, after);
    const caption = element("figcaption", {}, element("strong", {}, clip.title), about);
    const picture = element("img", { ...PICTURE, alt: clip.alt, src: media(clip.picture) });
    const audio = element("audio", { controls: true, preload: "none", src: media(clip.sound) });
    audio.setAttribute("aria-label", clip.title);
    return element("li", {}, element("figure", { className: "sound" }, caption, picture, audio));
  };

  const show = (ranking) => {
    const best = ranking.slice(0, SHOWN);
    results.replaceChildren(...best.map(player));
    status.textContent = words("found", { shown: best.length, clips: ranking.length });
  };

  // Look up what stands in the field, and again if that has changed meanwhile.
  const answer = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      while (wanted() !== shown) {
        if (!wanted()) {
          results.replaceChildren();
          status.textContent = shown = "";
          continue;
        }
        const { rank } = await (model ??= load());
        const query = wanted(); // what was typed meanwhile
        if (!query) continue;
        const ranking = await rank(query);
        shown = query;
        show(ranking);
      }
    } catch (error) {
      model = undefined;
      results.replaceChildren();
      status.textContent = error.file
        ? words("failed", { file: error.file })
        : words("broken", { reason: error.message });
    } finally {
      busy = false;
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(answer, PAUSE);
  };
  field.addEventListener("input", (event) => {
    if (first) answer();
    else if (!event.isComposing) soon();
    first = false;
  });
  field.addEventListener("compositionend", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer();
  });
  for (const button of widget.querySelectorAll(".live-example")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      field.value = button.textContent;
      answer();
    });
  }
  field.disabled = false;
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".live-search").forEach(equipSearch));
