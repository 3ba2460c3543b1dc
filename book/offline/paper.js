// The built pages as one page for paper: all chapters in the order of the contents, and nothing that needs a click.
//
// - Links between pages become links within this one, with the page of paper behind those to other chapters.
// - A player becomes its spectrogram, with a note where it can be heard, and a widget that runs a model a note where it
//   can be tried. Folded code is left out, with a note.
// - The answers of quizzes and the solutions of exercises stand at the end of their chapter.

const UNUSED = "script, audio source, .headerlink, .toctree-wrapper, .quiz-score";
const REFERRING = ["aria-labelledby", "aria-describedby", "for", "headers"]; // attributes that hold names of parts
const CODE = "The code is in the notebook.";
const HOW = "Choose an answer to each question. The right ones, with reasons, stand at the end of the chapter";
const SMALLEST = 0.5; // share of its size to which a table or a formula is made smaller

function make(kind, attributes = {}, ...children) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const all = (element, selector) => [...element.querySelectorAll(selector)];
const words = (element) => element.textContent.replace(/\s+/g, " ").trim();

// Where the number of the page of a target will stand. Chromium tells the page only of what a link leads to.
function pageNumber(target, before = "", after = "", kind = "paper-page") {
  const place = make("a", { href: `#${target}`, class: kind });
  place.append(before, make("span", { "data-page-of": target }), after);
  return place;
}

// Fetch the pages, and fill the document. `parts` lists the names of the pages of each part, under its caption.
async function assemble(parts, title, version) {
  const chapters = [];
  for (const { caption, names } of parts) {
    for (const name of names) {
      const text = await (await fetch(`/${name}.html`)).text();
      const page = new DOMParser().parseFromString(text, "text/html");
      const article = page.querySelector("article");
      chapters.push({ name, page, article, part: name === names[0] ? caption : "", title: heading(article) });
    }
  }
  const { page: first, name } = chapters[0];
  const site = first.querySelector("link[rel=canonical]")?.getAttribute("href").replace(`${name}.html`, "") ?? "";
  const styles = all(first, "link[rel=stylesheet]").map((link) => make("link", { rel: "stylesheet", media: link.media,
    href: new URL(link.getAttribute("href"), new URL(`/${name}.html`, location)) }));
  document.head.prepend(...styles);
  document.head.append(make("style", {}, runningTitles(chapters, title)));
  document.title = title;
  const known = new Map(chapters.map(({ name, article }) => [name, new Set(all(article, "[id]").map(({ id }) => id))]));
  for (const chapter of chapters) prepare(chapter, known, site);
  document.body.className = "paper";
  document.body.append(front(title, version, site), contents(chapters), ...chapters.map(body));
  await Promise.all(all(document, 'img[src$=".webp"]').map(asJpeg));
  await Promise.all(all(document, "img").map((picture) => picture.decode()));
}

function heading(article) {
  const title = article.querySelector("h1").cloneNode(true);
  for (const link of all(title, ".headerlink")) link.remove();
  return words(title);
}

function front(title, version, site) {
  const lines = [
    ["paper-name", title],
    ["paper-about", "An executable book on music description, retrieval and generation with language"],
    ["", "The contributors of the book"],
    ["", version],
    ["paper-license", "Prose and figures: CC BY 4.0. Code: MIT License. Each clip and each checkpoint has a license " +
      "of its own, which the file LICENSE states."],
    ["paper-credit", "The book renews the ISMIR 2024 tutorial of the same name by SeungHeon Doh, Ilaria Manco, " +
      "Zachary Novack, Jong Wook Kim and Ke Chen. They wrote the tutorial, not this book."],
    ["paper-credit", site],
  ];
  const filled = lines.filter(([, line]) => line);
  return make("section", { class: "paper-title" }, ...filled.map(([kind, line]) => make("p", { class: kind }, line)));
}

function contents(chapters) {
  const line = (target, said, kind) => {
    const link = pageNumber(target, make("span", { class: "paper-words" }, said), "", "paper-line");
    return make("p", { class: kind }, link);
  };
  const lines = chapters.flatMap(({ name, part, title }) =>
    part ? [line(`${name}:part`, part, "paper-part"), line(name, title, "")] : [line(name, title, "")]);
  return make("nav", { class: "paper-contents" }, make("h1", { "data-words": "Contents" }, "Contents"), ...lines);
}

// A chapter, after the name of the part that it opens. In the outline parts stand above chapters, and the front page
// of the book stands beside the parts.
function body({ name, part, article }, place) {
  for (const title of all(article, "h1, h2, h3, h4, h5")) {
    const level = Number(title.localName[1]) + (place ? 1 : 0);
    const attributes = { class: `paper-${title.localName}`, "data-words": words(title) }; // before formulas are set
    title.replaceWith(make(`h${level}`, attributes, ...title.childNodes));
  }
  const chapter = make("div", { class: "bd-article", id: name }, ...article.childNodes);
  const opening = part ? [make("h1", { class: "paper-part", id: `${name}:part`, "data-words": part }, part)] : [];
  return make("div", { class: "bd-content paper-chapter", style: `page: chapter${place}` }, ...opening, chapter);
}

function runningTitles(chapters, title) {
  const rules = chapters.map(({ title }, place) =>
    `@page chapter${place} { @top-right { content: ${JSON.stringify(title)}; } }`);
  return [`@page { @top-left { content: ${JSON.stringify(title)}; } }`, ...rules].join("\n");
}

function prepare(chapter, known, site) {
  const { name, article } = chapter;
  for (const part of all(article, UNUSED)) part.remove();
  for (const fold of all(article, "details.hide")) fold.replaceWith(make("p", { class: "paper-note" }, CODE));
  for (const cell of all(article, ".cell:has(> .paper-note:only-child)")) {
    if (cell.nextElementSibling?.querySelector(":scope > .paper-note")) cell.remove(); // one note for several
  }
  replacePlayers(chapter, site);
  for (const part of all(article, "[id]")) part.id = `${name}:${part.id}`;
  for (const attribute of REFERRING) {
    for (const part of all(article, `[${attribute}]`)) {
      const names = part.getAttribute(attribute).split(/\s+/);
      part.setAttribute(attribute, names.map((one) => `${name}:${one}`).join(" "));
    }
  }
  for (const link of all(article, "a[href]")) lead(link, name, known);
  gatherAnswers(chapter);
  for (const picture of all(article, "img")) {
    picture.removeAttribute("loading"); // what is never scrolled into view would never be loaded
    picture.src = new URL(picture.getAttribute("src"), new URL(`/${name}.html`, location));
  }
}

function replacePlayers({ name, article }, site) {
  const note = (row, words, kind) => {
    const section = row.closest("section[id]")?.id ?? "";
    const where = site
      ? make("a", { href: `${site}${name}.html#${section}` }, `${site}${name}.html`.replace(/^https?:\/\//, ""))
      : `${name}.html among the pages of the book`;
    return make("p", { class: `paper-note ${kind}` }, words, where);
  };
  for (const widget of all(article, "[data-parts]")) widget.replaceWith(note(widget, "To try: ", "paper-widget"));
  for (const row of all(article, ".sounds, audio")) {
    if (row.matches(".sounds audio")) row.remove();
    else if (row.localName === "audio") row.replaceWith(note(row, "♪ To hear: ", "paper-sound"));
    else row.after(note(row, "♪ To hear: ", "paper-sound"));
  }
}

// Let a link lead to a place in this document, and say on which page that is, if it is in another chapter.
function lead(link, name, known) {
  link.removeAttribute("title");
  const there = new URL(link.getAttribute("href"), new URL(`/${name}.html`, location));
  if (there.origin !== location.origin) return;
  const target = there.pathname.slice(1).replace(/\.html$/, "");
  const anchor = decodeURIComponent(there.hash.slice(1));
  if (!known.has(target) || (anchor && !known.get(target).has(anchor))) {
    link.replaceWith(...link.childNodes); // a file beside the pages
    return;
  }
  const place = anchor ? `${target}:${anchor}` : target;
  link.setAttribute("href", `#${place}`);
  if (target !== name && link.querySelector(".std-doc, .std-ref, .std-numref")) {
    link.after(pageNumber(place, " (p.\u00a0", ")"));
  }
}

function gatherAnswers({ name, article }) {
  const gathered = [];
  for (const solution of all(article, ".solution")) {
    const exercise = solution.querySelector(".admonition-title a")?.getAttribute("href")?.slice(1);
    const title = article.querySelector(`[id="${exercise}"] > .admonition-title`);
    title?.append(" ", pageNumber(solution.id, "Solution: p.\u00a0", "", "paper-page paper-solution"));
    gathered.push(solution);
  }
  all(article, ".quiz").forEach((quiz, number) => gathered.push(answers(quiz, `${name}:answers-${number}`)));
  if (!gathered.length) return;
  const section = make("section", { class: "paper-answers" }, make("h2", {}, "Solutions"), ...gathered);
  article.append(section);
}

// Leave the questions and the options of a quiz where they are, and return what is right, and why.
function answers(quiz, name) {
  quiz.querySelector("p").replaceChildren(HOW, pageNumber(name, " (p.\u00a0", ")"), ".");
  const found = make("div", { id: name, class: "paper-quiz" }, make("p", { class: "rubric" }, "Answers of the quiz"));
  for (const question of all(quiz, ".quiz-question")) {
    const number = words(question.querySelector(".quiz-asked > span"));
    for (const option of all(question, ".quiz-option")) {
      const [choice, verdict, reason, ...more] = option.children;
      const letter = words(choice).split(".")[0];
      option.replaceWith(make("p", { class: "paper-option" }, ...choice.childNodes));
      reason.prepend(make("strong", {}, `${number.replace(".", "")}${letter}. ${words(verdict)} `));
      found.append(reason, ...more);
    }
    found.append(question.querySelector(".quiz-again"));
  }
  return found;
}

// A PDF holds a JPEG as it is, and any other picture without loss, which for a spectrogram is five times as much.
async function asJpeg(picture) {
  await picture.decode();
  const canvas = make("canvas", { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.src = canvas.toDataURL("image/jpeg", 0.8);
}

// Set the formulas, without the copy of each for a screen reader, which would be part of what one copies from a PDF.
async function setFormulas() {
  window.MathJax = { options: { processHtmlClass: "math", ignoreHtmlClass: "paper", enableAssistiveMml: false } };
  const script = make("script", { src: "/_static/mathjax/tex-chtml.js" });
  await new Promise((done) => {
    script.addEventListener("load", done);
    document.head.append(script);
  });
  await MathJax.startup.promise;
  await document.fonts.ready;
}

// Make tables and formulas smaller that are wider than their place, and return what still is.
function fit() {
  for (const part of all(document, ".bd-content :is(mjx-container, table)")) {
    const place = part.closest("td, th, li, dd, .admonition, .bd-article").getBoundingClientRect();
    const box = part.getBoundingClientRect();
    const share = (place.right - box.left) / Math.max(box.width, part.scrollWidth);
    if (share < 0.999) part.style.zoom = Math.max(share * 0.98, SMALLEST);
  }
  return all(document, ".bd-article").flatMap((chapter) => {
    const edge = chapter.getBoundingClientRect().right + 2;
    const wide = all(chapter, "*").filter((part) => part.getBoundingClientRect().right > edge && part.checkVisibility());
    return wide.map((part) => `${chapter.id}: ${part.cloneNode().outerHTML.slice(0, 200)} ${words(part).slice(0, 60)}`);
  });
}

// The characters that no font has: they are drawn as the same box as one that does not exist.
function missing() {
  const canvas = make("canvas", { width: 32, height: 32 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.font = `24px ${getComputedStyle(document.body).fontFamily}`;
  const drawn = (character) => {
    context.clearRect(0, 0, 32, 32);
    context.fillText(character, 2, 26);
    return context.getImageData(0, 0, 32, 32).data.join();
  };
  const box = drawn("\u{10fffe}");
  const shown = new Set(document.body.textContent.replace(/[\s\p{Cc}\p{Cf}\p{M}]/gu, ""));
  return [...shown].filter((character) => drawn(character) === box);
}

// The titles of the outline, in their order: in the PDF those that are broken into lines lack a space.
function titles() {
  return all(document, ":is(.paper-contents, .paper-chapter) :is(h1, h2, h3, h4, h5, h6)").map((title) =>
    title.dataset.words);
}

function writeNumbers(pages) {
  const places = all(document, "[data-page-of]");
  for (const place of places) place.textContent = pages[place.dataset.pageOf] ?? "000";
  return places.map((place) => place.dataset.pageOf);
}
