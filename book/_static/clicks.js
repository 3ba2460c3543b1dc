// What the scripts of the theme leave out when something is clicked.

// On a small screen the contents lie over the page: a link to a place on this page closes them.
document.addEventListener("click", (event) => {
  const link = event.target.closest('dialog a[href*="#"]');
  if (link && link.pathname === location.pathname) link.closest("dialog").close();
});

// The title of a solution opens it. A link in that title leads to the exercise, and opens nothing.
document.addEventListener(
  "click",
  (event) => {
    if (event.target.closest(".admonition-title a")) event.stopPropagation();
  },
  true,
);
