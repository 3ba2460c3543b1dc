// What the widgets of live pages share: their words, their progress, and players of clips.
//
// A script that needs a module or a file loads it when the reader acts: see live_parts.js. So a page that was opened as
// a file, where no module can be loaded, can still say what it lacks.

const STATIC = new URL(".", document.currentScript.src);
const PICTURE = { width: 480, height: 96, loading: "lazy" };

// Return a new element with these properties and children. A text becomes text and never HTML.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Return a function that gives a message of a widget, with what is to stand in its braces.
function wordsOf(widget) {
  return (name, values = {}) =>
    widget
      .querySelector(`.live-messages [data-name="${name}"]`)
      .textContent.replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

// Return why a widget cannot run here, in words, or undefined if it can.
function hindrance(widget, words) {
  if ("leftOut" in widget.dataset) return words("left_out");
  if (location.protocol === "file:") return words("file");
}

// Return the address of the folder of each group that a widget loads, such as `search`.
function foldersOf(widget) {
  const keys = widget.dataset.parts.split(" ");
  return Object.fromEntries(keys.map((key) => [key.split("-")[0], new URL(`live/${key}/`, STATIC).href]));
}

// Return a function that is told how many of the packed bytes of a widget have arrived, and says so by `show`, in steps
// of ten percent, which are read aloud.
function progressOf(widget, words, show) {
  const total = Number(widget.dataset.bytes);
  const size = (total / 1e6).toFixed(0);
  let last = "";
  return (arrived) => {
    const percent = Math.min(100, Math.floor((arrived / total) * 10) * 10);
    const said = arrived >= total ? words("preparing") : words("loading", { percent, size });
    if (said !== last) show((last = said));
  };
}

// Return a module of this folder. What does not arrive is named by the error, as in live_parts.js.
function moduleOf(file) {
  return import(new URL(file, STATIC)).catch((cause) => {
    throw Object.assign(new Error(`${file} did not arrive`, { cause }), { file });
  });
}

// Return an entry of a list with the player of a clip, and its similarity to what was asked for.
function clipPlayer({ clip, similarity }, words) {
  const media = (name) => new URL(`media/${name}`, STATIC).href;
  const value = element("data", { value: similarity }, similarity.toFixed(2));
  const [before, after = ""] = words("similarity", { value: "\n" }).split("\n");
  const about = element("small", {}, `${clip.creator}, ${clip.licence}; `, before, value, after);
  const caption = element("figcaption", {}, element("strong", {}, clip.title), about);
  const picture = element("img", { ...PICTURE, alt: clip.alt, src: media(clip.picture) });
  const audio = element("audio", { controls: true, preload: "none", src: media(clip.sound) });
  audio.setAttribute("aria-label", clip.title);
  return element("li", {}, element("figure", { className: "sound" }, caption, picture, audio));
}
