// The marks of a listening test: how they are kept in this browser, and written as a CSV. What was kept is not trusted.
//
// Taken is {state, rater, pages: [{item, order}], marks: [{seconds, scores, plays}]}. The order of a page holds, for
// each place, the number of the stimulus that is heard there; scores and plays go by places too.
const listeningResults = (() => {
  const COLUMNS = ["test", "rater", "page", "place", "item", "prompt", "system", "scale", "score", "plays", "seconds"];
  const LONGEST = 86400; // seconds, a day: the most that a file of ratings may say
  const random = (count) => crypto.getRandomValues(new Uint32Array(1))[0] % count;
  const place = (test) => `musicwords-listening-${test.test}`;

  function shuffled(list) {
    const mixed = [...list];
    for (let last = mixed.length - 1; last > 0; last -= 1) {
      const other = random(last + 1);
      [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
    }
    return mixed;
  }

  const trials = (test) => test.groups.flat(2);
  const trial = (test, item) => trials(test).find((one) => one.item === item);
  const scale = (one) => (one.asks === "mushra" ? "mushra" : "vote");

  // A listener with pages in an order of their own: blocks are mixed within a group, and sounds within a page.
  function begin(test) {
    const blocks = test.groups.map(shuffled).flat(2);
    const pages = blocks.map(({ item, stimuli }) => ({ item, order: shuffled(stimuli.keys()) }));
    const rater = `r${random(2 ** 32).toString(16).padStart(8, "0")}`;
    return { state: test.state, rater, pages, marks: [] };
  }

  const same = (list, others) => [...list].sort().join("\n") === [...others].sort().join("\n");

  function isMarked(one, mark) {
    const isScore = { mushra: (score) => score >= 0 && score <= 100, vote: (score) => [0, 0.5, 1].includes(score) };
    const numbers = [mark.seconds, ...mark.scores, ...mark.plays];
    return (
      numbers.every(Number.isFinite) &&
      mark.scores.length === one.stimuli.length &&
      mark.plays.length === one.stimuli.length &&
      mark.scores.every(isScore[scale(one)]) &&
      mark.plays.every((count) => Number.isInteger(count) && count >= 0) &&
      mark.seconds >= 0 &&
      mark.seconds <= LONGEST
    );
  }

  function isTaken(test, taken) {
    const items = taken.pages.map(({ item }) => item);
    return (
      taken.state === test.state &&
      /^r[0-9a-f]{8}$/.test(taken.rater) &&
      same(items, trials(test).map(({ item }) => item)) &&
      taken.pages.every(({ item, order }) => same(order, trial(test, item).stimuli.keys())) &&
      taken.marks.length <= items.length &&
      taken.marks.every((mark, page) => isMarked(trial(test, items[page]), mark))
    );
  }

  // What was kept by this very test, or null: also if somebody else wrote there, or if nothing may be read.
  function read(test) {
    try {
      const taken = JSON.parse(localStorage.getItem(place(test)));
      return isTaken(test, taken) ? taken : null;
    } catch {
      return null;
    }
  }

  // Whether it could be kept.
  function keep(test, taken) {
    try {
      localStorage.setItem(place(test), JSON.stringify(taken));
      return true;
    } catch {
      return false;
    }
  }

  function clear(test) {
    try {
      localStorage.removeItem(place(test));
    } catch {
      // nothing could be kept either
    }
  }

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  // A row for each mark, as notebooks/generation/listening_tests.ipynb reads it.
  function csv(test, taken) {
    const rows = taken.marks.flatMap(({ seconds, scores, plays }, page) => {
      const { item, order } = taken.pages[page];
      const one = trial(test, item);
      return order.map((number, at) => [
        test.test, taken.rater, page + 1, at + 1, item, one.prompt, one.stimuli[number].system, scale(one),
        scores[at], plays[at], seconds,
      ]);
    });
    return [COLUMNS, ...rows].map((row) => `${row.map(String).map(quoted).join(",")}\n`).join("");
  }

  return { LONGEST, begin, clear, csv, keep, read, scale, trial };
})();
