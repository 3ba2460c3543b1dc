// Describes a sound of the reader: loads the models when there is one, and shows what they say of it.
// It needs live_widget.js. The name of a file becomes text and never HTML.

const MOST = 180; // seconds that are described
const LONGEST = 900; // seconds of a file that is decoded: a longer one may not fit into memory
const RECORDED = 30; // seconds of a recording
const SHOWN = { tags: 8, clips: 5 };
const SILENT = 0.001; // root mean square, -60 dBFS
const MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

// What is said to the reader in place of a description: `name` is that of a message, `values` stand in its braces.
class Refused extends Error {
  constructor(name, values) {
    super(name);
    Object.assign(this, { refused: name, values });
  }
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// Return the seconds that a file lasts by its header, or NaN if the browser does not tell.
function lengthOf(address) {
  return new Promise((done) => {
    const probe = element("audio", { preload: "metadata", src: address });
    probe.addEventListener("loadedmetadata", () => done(probe.duration));
    probe.addEventListener("error", () => done(NaN));
  });
}

// Show tags over time: a row for each of the most probable ones, a column for three seconds.
function tagTable(labels, tags, words) {
  const largest = labels.map((_, label) => Math.max(...tags.map(({ probabilities }) => probabilities[label])));
  const best = labels.map((_, label) => label).sort((one, two) => largest[two] - largest[one]);
  const header = tags.map(({ start }) => element("th", { scope: "col" }, clock(Math.round(start))));
  const rows = best.slice(0, SHOWN.tags).map((label) => {
    const cells = tags.map(({ probabilities }) => {
      const percent = Math.round(100 * probabilities[label]);
      const cell = element("td", {}, String(percent));
      cell.style.setProperty("--share", `${percent}%`);
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, labels[label]), ...cells);
  });
  const corner = element("th", { scope: "col" }, words("tag"));
  const head = element("thead", {}, element("tr", {}, corner, ...header));
  const caption = element("caption", {}, words("tags"));
  const table = element("table", { className: "live-tags" }, caption, head, element("tbody", {}, ...rows));
  const scroller = element("div", { className: "live-scroller", tabIndex: 0 }, table);
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", words("tags"));
  return scroller;
}

function captionTable(windows, words) {
  const rows = windows.map(({ start, end, caption }) => {
    const time = element("th", { scope: "row" }, `${clock(start)}–${clock(end)}`);
    return element("tr", {}, time, element("td", {}, caption ?? words("quiet")));
  });
  const heads = ["time", "caption"].map((name) => element("th", { scope: "col" }, words(name)));
  const head = element("thead", {}, element("tr", {}, ...heads));
  const title = element("caption", {}, words("captions"));
  return element("table", { className: "live-captions" }, title, head, element("tbody", {}, ...rows));
}

function equipDescription(widget) {
  const words = wordsOf(widget);
  const one = (selector) => widget.querySelector(selector);
  const status = one(".live-status");
  const notes = one(".live-notes");
  const stop = one(".live-stop");
  const player = one(".live-own");
  const described = one(".live-described");
  const [menu, file] = [one("select"), one("input[type=file]")];
  const say = (text) => (status.textContent = text);
  let worker; // holds the models, from the first sound on
  let end; // ends what is going on; undefined if nothing is
  let latest; // what was begun last: what was begun before shows nothing any more
  let address; // of the reader's own sound

  const hindered = hindrance(widget, words);
  if (hindered) {
    say(hindered);
    return;
  }

  const begin = (ended) => {
    end?.();
    const going = (latest = { on: true });
    end = () => {
      going.on = false;
      end = undefined;
      if (document.activeElement === stop) status.focus();
      stop.hidden = true;
      ended?.();
    };
    stop.hidden = false;
    return going;
  };

  const show = ({ labels, windows, tags, ranking, left }) => {
    if (!windows.length) return;
    const near = ranking.filter(({ clip }) => clip.sound !== left).slice(0, SHOWN.clips);
    const list = element("ol", { className: "live-results sounds" }, ...near.map((clip) => clipPlayer(clip, words)));
    const heading = element("p", { className: "live-heading" }, words("nearest"));
    described.replaceChildren(captionTable(windows, words), tagTable(labels, tags, words), heading, list);
  };

  // Let the worker describe decoded audio, and show what it has said whenever a window is done.
  const describe = (audio, left) =>
    new Promise((done, fail) => {
      const found = { labels: [], windows: [], tags: [], ranking: [], left };
      const report = progressOf(widget, words, say);
      const finish = end;
      if (worker) say(words("hearing"));
      else report(0);
      worker ??= new Worker(new URL("live_description_worker.js", STATIC), { type: "module" });
      end = () => {
        worker?.terminate();
        worker = undefined;
        finish();
        done(found);
      };
      worker.onerror = () => fail(new Refused("failed", { file: "live_description_worker.js" }));
      worker.onmessage = ({ data }) => {
        if (data.kind === "arrived") report(data.arrived);
        if (data.kind === "ready") {
          found.labels = data.labels;
          say(words("hearing"));
        }
        if (data.kind === "window") {
          found.windows.push(data);
          found.tags.push(...data.tags);
          found.ranking = data.ranking;
          if (data.number + 1 < data.windows) {
            say(words("window", { done: data.number + 1, windows: data.windows }));
            show({ ...found, ranking: [] });
          }
        }
        if (data.kind === "error") {
          fail(data.file ? new Refused("failed", { file: data.file }) : new Refused("broken", { reason: data.reason }));
        }
        if (data.kind === "done") {
          end = finish; // the worker keeps the models for the next sound
          done(found);
        }
      };
      worker.postMessage({ folders: foldersOf(widget), audio }, [audio.buffer]);
    });

  // Describe what `get` gives: the bytes of a sound with this name.
  const hear = async (name, source, get, left) => {
    const going = begin();
    described.replaceChildren();
    notes.textContent = "";
    const audio = element("audio", { controls: true, preload: "none", src: source });
    audio.setAttribute("aria-label", name);
    player.replaceChildren(element("p", {}, name), audio);
    say(words("reading"));
    try {
      if ((await lengthOf(source)) > LONGEST) throw new Refused("long", { name, minutes: LONGEST / 60 });
      const { decode, level } = await moduleOf("live_audio.js");
      const bytes = await get();
      const decoded = await decode(bytes, MOST).catch(() => {
        throw new Refused("unreadable", { name });
      });
      if (latest !== going) return;
      const { audio, seconds } = decoded;
      if (level(audio) < SILENT) throw new Refused("silent", { name });
      if (seconds > MOST) notes.textContent = words("cut", { from: clock(MOST), to: clock(seconds) });
      if (seconds < 10) notes.textContent = words("short", { seconds: seconds.toFixed(1) });
      if (!going.on) {
        say(words("nothing"));
        return;
      }
      const found = await describe(audio, left);
      if (latest !== going) return;
      const stopped = !going.on;
      if (!stopped) end();
      show(found);
      const values = { end: clock(found.windows.at(-1)?.end ?? 0) };
      say(words(stopped ? (found.windows.length ? "stopped" : "nothing") : "described", values));
    } catch (error) {
      if (latest !== going) return;
      end?.();
      if (error.refused === "unreadable") player.replaceChildren();
      say(error.refused ? words(error.refused, error.values) : words("broken", { reason: error.message }));
      if (error.file) say(words("failed", { file: error.file }));
    }
  };

  const own = (blob, name) => {
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(blob);
    return hear(name, address, () => blob.arrayBuffer());
  };

  const record = async () => {
    let [stream, recorder, timer] = [];
    const going = begin(() => {
      clearInterval(timer);
      if (recorder?.state === "recording") recorder.stop();
      else stream?.getTracks().forEach((track) => track.stop());
    });
    try {
      say(words("asking"));
      stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
      if (!going.on) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      recorder = new MediaRecorder(stream);
    } catch (error) {
      if (going.on) end();
      stream?.getTracks().forEach((track) => track.stop());
      say(words("deaf"));
      return;
    }
    const parts = [];
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", () => {
      stream.getTracks().forEach((track) => track.stop());
      if (latest === going) own(new Blob(parts, { type: recorder.mimeType }), words("recording"));
    });
    recorder.start();
    const started = performance.now();
    const count = () => {
      const seconds = Math.round((performance.now() - started) / 1000);
      if (seconds >= RECORDED) end();
      else if (seconds % 5 === 0) say(words("listening", { seconds, most: RECORDED }));
    };
    timer = setInterval(count, 1000);
    count();
  };

  one(".live-clip").addEventListener("click", () => {
    const chosen = menu.selectedOptions[0];
    const source = new URL(`media/${chosen.value}`, STATIC).href;
    const get = async () => {
      const response = await fetch(source).catch(() => ({ ok: false }));
      if (!response.ok) throw new Refused("failed", { file: chosen.value });
      return response.arrayBuffer();
    };
    hear(chosen.textContent, source, get, chosen.value);
  });
  file.addEventListener("change", () => {
    if (file.files.length) own(file.files[0], file.files[0].name);
    file.value = ""; // so that the same file can be chosen again
  });
  one(".live-record").addEventListener("click", record);
  stop.addEventListener("click", () => end?.());
  widget.addEventListener("dragover", (event) => event.preventDefault());
  widget.addEventListener("drop", (event) => {
    event.preventDefault();
    const [dropped] = event.dataTransfer.files;
    if (dropped) own(dropped, dropped.name);
  });
  for (const control of widget.querySelectorAll(":disabled")) control.disabled = false;
}

document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll(".live-description").forEach(equipDescription),
);
