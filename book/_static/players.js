// What the browser's own player leaves out.

// Starting one player stops the others.
function stopOthers({ target }) {
  for (const player of document.querySelectorAll("audio")) {
    if (player !== target) player.pause();
  }
}

// A line on the spectrogram moves with the sound.
const moving = new WeakSet(); // players whose line is drawn for each frame

function follow({ target: player }) {
  const picture = player.parentElement.querySelector(":scope.sound > img");
  if (!picture) return;
  let line = player.parentElement.querySelector(".sound-place");
  if (!line) {
    line = Object.assign(document.createElement("span"), { className: "sound-place" });
    picture.after(line);
  }
  const draw = () => {
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = picture;
    const left = offsetLeft + offsetWidth * (player.currentTime / (player.duration || Infinity));
    Object.assign(line.style, { left: `${left}px`, top: `${offsetTop}px`, height: `${offsetHeight}px` });
    if (player.paused) moving.delete(player);
    else requestAnimationFrame(draw);
  };
  if (moving.has(player)) return;
  moving.add(player);
  draw();
}

// A click on the spectrogram plays from there. A web server that sends files only whole, such as that of Python, lets
// nobody jump in a sound: it is kept in memory then.
async function playFrom({ target: picture, offsetX }) {
  const player = picture.matches(".sound > img") && picture.parentElement.querySelector("audio");
  if (!player) return;
  const place = offsetX / picture.clientWidth;
  const ready = () => new Promise((done) => player.addEventListener("canplay", done, { once: true }));
  if (!player.readyState) {
    const loaded = ready();
    player.preload = "auto";
    player.load();
    await loaded;
  }
  if (!player.seekable.length || !player.seekable.end(0)) {
    const kept = ready();
    player.src = URL.createObjectURL(await (await fetch(player.currentSrc)).blob());
    await kept;
  }
  player.currentTime = place * player.duration;
  player.play().catch(() => {}); // stopped by another player before it began
}

// A sound that does not arrive is said to be missing: browsers switch its player off, and say nothing.
function sayMissing({ target: player }) {
  const words = document.querySelector("#sound-missing");
  if (player.tagName !== "AUDIO" || !player.controls || !words) return;
  player.parentElement.querySelector(".sound-missing")?.remove();
  player.after(words.content.cloneNode(true));
  const said = player.nextElementSibling;
  said.querySelector("button").addEventListener("click", () => {
    said.remove();
    player.load();
    player.play().catch(() => {}); // sayMissing hears of it
  });
}

const HEARD = { play: [stopOthers, follow], seeked: [follow], error: [sayMissing] };
for (const [name, answers] of Object.entries(HEARD)) {
  for (const answer of answers) document.addEventListener(name, answer, true); // these events do not bubble
}
document.addEventListener("click", playFrom);
