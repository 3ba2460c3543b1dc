// Tables of the registry: sorted by a click on a head, and filtered by what is typed above them.

function equip(table) {
  const body = table.tBodies[0];
  const text = (row, column) => row.cells[column].textContent.trim();
  const heads = [...table.tHead.rows[0].cells];

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "registry-sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const downward = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", downward ? "descending" : "ascending");
      const rows = [...body.rows].sort((one, two) => {
        const [first, second] = [text(one, column), text(two, column)];
        if (!first || !second) return (first ? 0 : 1) - (second ? 0 : 1); // what is empty comes last
        const order = first.localeCompare(second, undefined, { numeric: true, sensitivity: "base" });
        return downward ? -order : order;
      });
      body.append(...rows);
    });
  });

  const bar = document.createElement("div");
  const field = document.createElement("input");
  const count = document.createElement("output");
  field.type = "search";
  field.setAttribute("aria-label", Documentation.gettext("Filter the rows of the table"));
  bar.className = "registry-filter";
  bar.append(Documentation.gettext("Filter: "), field, " ", count);
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const content = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => content.includes(word));
      shown += !row.hidden;
    }
    const said = Documentation.gettext("{shown} of {all}");
    count.textContent = said.replace("{shown}", shown).replace("{all}", body.rows.length);
  };
  field.addEventListener("input", show);
  (table.closest(".pst-scrollable-table-container") ?? table).before(bar);
  show();
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("table.registry").forEach(equip));
