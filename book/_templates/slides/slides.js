Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  center: false,
  display: "flex",
  hash: true,
  pdfSeparateFragments: false,
  plugins: [RevealNotes],
  slideNumber: "c/t",
  transition: "none",
  viewDistance: 1000,
});

// A player that was clicked would keep the arrow keys to itself.
document.addEventListener("play", (event) => event.target.blur(), true);
