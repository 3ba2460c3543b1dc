// A listening test in the page: one page after another, and at last what was heard. Whatever is shown is set as text.

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// A button that plays and stops one sound of a page. `others` are the players of this page, and gets this one too.
// With `together`, a sound that is started while another one plays goes on at the same place: where the web server
// sends parts of files, as most do.
function makePlayer(name, source, others, { say, tell, together = false }) {
  const audio = source.cloneNode();
  const button = element("button", { type: "button", className: "listening-play" });
  const player = { name, audio, button, plays: 0 };
  let starting = false;
  const show = () => {
    button.textContent = say(audio.paused ? "play" : "stop", { name });
    button.classList.toggle("listening-playing", !audio.paused);
  };
  const start = async () => {
    const running = others.find((other) => !other.audio.paused);
    const seconds = together && running ? running.audio.currentTime : 0;
    for (const other of others) other.audio.pause();
    if (audio.error) audio.load();
    const move = () => (audio.currentTime = seconds);
    if (audio.readyState) move();
    else if (seconds) audio.addEventListener("loadedmetadata", move, { once: true });
    starting = true;
    try {
      await audio.play();
    } catch (error) {
      if (error.name !== "AbortError") fail();
    }
  };
  const fail = () => {
    audio.pause();
    starting = false;
    show();
    tell(say("failed", { name }));
  };
  audio.setAttribute("aria-label", name);
  audio.addEventListener("playing", () => {
    player.plays += starting;
    starting = false;
  });
  audio.addEventListener("error", fail);
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, show);
  button.addEventListener("click", () => (audio.paused ? start() : audio.pause()));
  show();
  others.push(player);
  return player;
}

// A slider with the words of its level beside it: it has no mark until it was moved or clicked.
function makeSlider(name, levels, say) {
  const mark = element("span", { className: "listening-mark", ariaHidden: "true" });
  const input = element("input", { type: "range", min: 0, max: 100, value: 50, ariaLabel: say("mark", { name }) });
  const slider = { name, input, mark, score: null };
  const show = () => {
    const level = levels[Math.min(Math.floor(slider.score / 20), levels.length - 1)];
    const words = slider.score === null ? say("unmarked") : `${slider.score}, ${level}`;
    mark.textContent = words;
    input.setAttribute("aria-valuetext", words);
    input.classList.toggle("listening-unmarked", slider.score === null);
  };
  for (const event of ["input", "click"]) {
    input.addEventListener(event, () => {
      slider.score = Number(input.value);
      show();
    });
  }
  show();
  return slider;
}

function takeTest(box) {
  const test = JSON.parse(box.dataset.test);
  const words = JSON.parse(box.dataset.words);
  const sources = new Map(test.sounds.map((file, at) => [file, box.querySelectorAll("audio")[at]]));
  const say = (name, values = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const letter = (place) => String.fromCharCode(65 + place);
  const levels = words.levels.split(/[,、]\s*/);
  const stage = element("div", { className: "listening-stage" });
  const said = element("p", { className: "listening-said", role: "status" });
  const clear = element("button", { type: "button", className: "listening-clear" }, say("clear"));
  let players = [];
  let kept = listeningResults.read(test);
  box.append(stage, said, clear);

  const tell = (text) => {
    said.replaceChildren(...(text ? [element("span", {}, text)] : [])); // a new node is read out again
  };

  function show(...parts) {
    for (const { audio } of players) audio.pause();
    players = [];
    stage.replaceChildren(...parts);
    clear.hidden = !kept;
  }

  function press(name, values, what) {
    const button = element("button", { type: "button", className: "listening-go" }, say(name, values));
    button.addEventListener("click", what);
    return button;
  }

  function player(name, file, together) {
    const made = makePlayer(name, sources.get(file), players, { say, tell, together });
    stage.append(made.audio); // in the page, where players.js stops it when another player starts
    return made;
  }

  function title(text) {
    return element("p", { className: "listening-title", tabIndex: -1 }, text);
  }

  function showStart() {
    const [page, pages] = [kept ? kept.marks.length + 1 : 1, test.groups.flat(2).length];
    const go = kept ? press("resume", { page, pages }, showPage) : press("begin", {}, begin);
    show(go);
    return go;
  }

  function keep() {
    tell(listeningResults.keep(test, kept) ? "" : say("forgetful"));
  }

  function begin() {
    kept = listeningResults.begin(test);
    keep();
    showPage();
  }

  // The part of a page where each sound gets a mark on a slider.
  function sliders(one, order) {
    const reference = player(say("reference"), one.reference, true);
    const scale = element("div", { className: "listening-scale", ariaHidden: "true" });
    scale.append(...levels.map((level) => element("span", {}, level)));
    const rows = order.map((number, place) => {
      const slider = makeSlider(letter(place), levels, say);
      const { button } = player(letter(place), one.stimuli[number].file, true);
      const row = element("div", { className: "listening-row", role: "group", ariaLabel: letter(place) });
      row.append(button, slider.mark, slider.input);
      return { slider, row };
    });
    return {
      parts: [element("p", {}, say("mushra")), reference.button, scale, ...rows.map(({ row }) => row)],
      missing() {
        const names = rows.filter(({ slider }) => slider.score === null).map(({ slider }) => slider.name);
        return names.length ? say("unanswered", { names: names.join(", ") }) : "";
      },
      scores: () => rows.map(({ slider }) => slider.score),
      plays: () => players.slice(1).map(({ plays }) => plays),
    };
  }

  // The part of a page where one of two sounds is chosen.
  function choice(one, order) {
    const made = order.map((number, place) => player(letter(place), one.stimuli[number].file, false));
    const options = [...made.map(({ name }) => name), say("neither")];
    const inputs = options.map((_, at) => element("input", { type: "radio", name: "listening-choice", value: at }));
    const asked = element("fieldset", {}, element("legend", {}, say(one.asks)));
    if (one.prompt) asked.append(element("blockquote", {}, one.prompt));
    asked.append(...options.map((words, at) => element("label", {}, inputs[at], words)));
    const chosen = () => inputs.findIndex(({ checked }) => checked);
    return {
      parts: [element("div", { className: "listening-pair" }, ...made.map(({ button }) => button)), asked],
      missing: () => (chosen() < 0 ? say("unchosen") : ""),
      scores: () => order.map((_, place) => (chosen() === order.length ? 0.5 : Number(chosen() === place))),
      plays: () => made.map(({ plays }) => plays),
    };
  }

  function showPage() {
    const [page, pages] = [kept.marks.length, kept.pages.length];
    const { item, order } = kept.pages[page];
    const one = listeningResults.trial(test, item);
    const since = performance.now();
    show(); // which stops what played on the page before
    const asked = one.asks === "mushra" ? sliders(one, order) : choice(one, order);
    const heading = title(say("page", { page: page + 1, pages }));
    const finish = press(page + 1 < pages ? "next" : "finish", {}, () => {
      const names = players.filter(({ plays }) => !plays).map(({ name }) => name);
      const missing = [names.length ? say("unplayed", { names: names.join(", ") }) : "", asked.missing()];
      if (missing.some(Boolean)) {
        tell(missing.filter(Boolean).join(" "));
        return;
      }
      const seconds = Math.min(Math.round((performance.now() - since) / 100) / 10, listeningResults.LONGEST);
      kept.marks.push({ seconds, scores: asked.scores(), plays: asked.plays() });
      keep();
      if (kept.marks.length < pages) showPage();
      else showAnswers().focus();
    });
    stage.append(heading, ...asked.parts, finish);
    heading.focus();
  }

  // What was heard on a page, each sound with its mark.
  function answers({ item, order }, page) {
    const one = listeningResults.trial(test, item);
    const pages = kept.pages.length;
    const caption = element("caption", {}, `${say("page", { page: page + 1, pages })}: ${one.title ?? say(one.asks)}`);
    const heads = ["heading", "what", "yours"].map((name) => element("th", { scope: "col" }, say(name)));
    const rows = order.map((number, place) => {
      const { button } = player(letter(place), one.stimuli[number].file, one.asks === "mushra");
      const score = kept.marks[page].scores[place];
      const vote = { 0: "other", 0.5: "neither", 1: "better" }[score];
      const words = listeningResults.scale(one) === "vote" ? say(vote) : String(score);
      const cells = [button, one.stimuli[number].label, words];
      return element("tr", {}, ...cells.map((content) => element("td", {}, content)));
    });
    const parts = [caption, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)];
    return element("table", { className: "table listening-answers" }, ...parts);
  }

  function showAnswers() {
    show();
    const heading = title(say("done"));
    stage.append(heading, ...kept.pages.map(answers), press("download", {}, download));
    return heading;
  }

  function download() {
    const file = new Blob([listeningResults.csv(test, kept)], { type: "text/csv;charset=utf-8" });
    const link = element("a", { href: URL.createObjectURL(file), download: "listening_test.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  clear.addEventListener("click", () => {
    listeningResults.clear(test);
    kept = null;
    tell(say("cleared"));
    showStart().focus();
  });

  if (kept && kept.marks.length === kept.pages.length) showAnswers();
  else showStart();
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".listening").forEach(takeTest));
