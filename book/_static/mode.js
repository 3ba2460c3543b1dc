// Light or dark before anything is drawn: as chosen here before, else as the system says. The theme does this late, and
// complains on a first visit. Its setting default_mode would take the colors from pages that are read without scripts.
const root = document.documentElement.dataset;
root.mode ||= "auto";
if (root.mode === "auto") root.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

// Paper is white: the pale letters of the dark would hardly be seen there.
let onScreen;
addEventListener("beforeprint", () => {
  onScreen = root.theme;
  root.theme = "light";
});
addEventListener("afterprint", () => {
  root.theme = onScreen;
});
