// The search by words: loads the model at the first key, and shows the clips that fit best, each with a player.
// It needs live_widget.js.

const SHOWN = 5;
const PAUSE = 200; // milliseconds after a key before a text is looked up

function equipSearch(widget) {
  const form = widget.querySelector("form");
  const field = widget.querySelector("input");
  const status = widget.querySelector(".live-status");
  const results = widget.querySelector(".live-results");
  const words = wordsOf(widget);
  let model; // a promise, from the first key on
  let shown = "";
  let timer;
  let busy = false;
  let first = true;

  const wanted = () => field.value.trim();

  const hindered = hindrance(widget, words);
  if (hindered) {
    status.textContent = hindered;
    return;
  }

  const load = async () => {
    const report = progressOf(widget, words, (said) => (status.textContent = said));
    report(0);
    const { load: loadModel } = await moduleOf("live_model.js");
    return loadModel(foldersOf(widget), report);
  };

  const show = (ranking) => {
    const best = ranking.slice(0, SHOWN);
    results.replaceChildren(...best.map((one) => clipPlayer(one, words)));
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
