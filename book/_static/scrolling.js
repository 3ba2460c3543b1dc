// What is wider than the screen scrolls by itself: it can be reached and scrolled with the keyboard, has a name for
// a screen reader, and its edge fades (book.css) until its end is seen.
const NAMES = {
  ".figure-scroller": Documentation.gettext("Figure, wider than the screen"),
  ".pst-scrollable-table-container": Documentation.gettext("Table, wider than the screen"),
  ".cell_output > .output": Documentation.gettext("Output, wider than the screen"),
  ".highlight pre": Documentation.gettext("Code, wider than the screen"),
  'mjx-container[display="true"]': Documentation.gettext("Formula, wider than the screen"),
};

function markEnd(element) {
  const left = element.scrollWidth - element.clientWidth - element.scrollLeft;
  element.classList.toggle("at-end", left < 2);
}

function markScrolling() {
  for (const [selector, name] of Object.entries(NAMES)) {
    for (const element of document.querySelectorAll(`article ${selector}`)) {
      const scrolls = element.scrollWidth > element.clientWidth + 1;
      if (scrolls === element.classList.contains("scrolls")) continue;
      element.classList.toggle("scrolls", scrolls);
      if (scrolls) {
        element.tabIndex = 0;
        element.setAttribute("role", "group");
        element.setAttribute("aria-label", name);
        element.onscroll = () => markEnd(element);
        markEnd(element);
      } else {
        for (const attribute of ["tabindex", "role", "aria-label"]) element.removeAttribute(attribute);
      }
    }
  }
}

// The height of the article changes when a picture is loaded, a formula is set, a solution opens or a phone turns.
addEventListener("load", () => {
  markScrolling();
  const article = document.querySelector("article");
  if (article) new ResizeObserver(markScrolling).observe(article);
});
