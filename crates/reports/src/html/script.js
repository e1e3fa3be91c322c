// Sorts and filters tables, and switches the colours. Without it the page is complete, only static.
"use strict";
(() => {
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const said = make("p", { className: "sr", role: "status" });
  said.setAttribute("aria-live", "polite");
  document.body.append(said);

  // The first number in a cell: "22.53 ± 1.20 (3.1)" is 22.53. A cell without one comes last.
  const number = (text) => {
    const found = text.replace("−", "-").match(/-?\d+(\.\d+)?(e-?\d+)?/);
    return found ? Number(found[0]) : null;
  };
  const words = new Intl.Collator("en", { numeric: true });
  const compare = (one, other, byWords, down) => {
    const [a, b] = [one, other].map((text) => (byWords ? text : number(text)));
    if (!byWords && (a === null || b === null)) return (a === null) - (b === null);
    const order = byWords ? words.compare(a, b) : a - b;
    return down ? -order : order;
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const original = [...body.rows];
    for (const [column, head] of heads.entries()) {
      const name = head.textContent;
      const button = make("button", { type: "button", textContent: name });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const next = before === "ascending" ? "descending" : before === "descending" ? null : "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        const rows = [...original];
        if (next) {
          head.setAttribute("aria-sort", next);
          const text = new Map(rows.map((row) => [row, row.cells[column].textContent.trim()]));
          const byWords = head.classList.contains("left");
          rows.sort((one, other) => compare(text.get(one), text.get(other), byWords, next === "descending"));
        }
        table.classList.toggle("sorted", next !== null);
        body.append(...rows);
        said.textContent = next ? `Sorted by ${name}, ${next}.` : "In the original order.";
      });
    }
  };

  const filterable = (table, place) => {
    const rows = [...table.tBodies[0].rows];
    const group = make("div", { className: "filters" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Filter: ${table.caption.textContent}`);
    const count = make("span", { className: "note" });
    const chosen = [];
    const apply = () => {
      let shown = 0;
      for (const row of rows) {
        row.hidden = chosen.some(({ column, select }) => select.value !== "" && row.cells[column].textContent.trim() !== select.value);
        shown += !row.hidden;
      }
      count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
      said.textContent = `${shown} of ${rows.length} rows shown.`;
    };
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      if (!head.hasAttribute("data-filter")) continue;
      const values = [...new Set(rows.map((row) => row.cells[column].textContent.trim()))];
      if (values.length < 2) continue;
      const select = make("select", {}, make("option", { value: "", textContent: "all" }));
      select.append(...values.map((value) => make("option", { value, textContent: value })));
      select.addEventListener("change", apply);
      chosen.push({ column, select });
      group.append(make("label", {}, `${head.textContent} `, select));
    }
    if (chosen.length === 0) return;
    group.append(count);
    place.before(group);
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const place = table.closest(".scroll") ?? table;
    filterable(table, place);
    sortable(table);
  }
  // What is wider than the page can be scrolled with the keyboard too.
  for (const place of document.querySelectorAll(".scroll")) {
    if (place.scrollWidth <= place.clientWidth) continue;
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", place.querySelector("caption")?.textContent ?? "Table");
  }

  const schemes = ["as the system", "light", "dark"];
  const scheme = make("button", { type: "button", className: "scheme" });
  let at = 0;
  const show = () => {
    if (at === 0) delete document.documentElement.dataset.scheme;
    else document.documentElement.dataset.scheme = schemes[at];
    scheme.textContent = `Colours: ${schemes[at]}`;
  };
  scheme.addEventListener("click", () => {
    at = (at + 1) % schemes.length;
    show();
  });
  show();
  document.querySelector("header").prepend(scheme);

  // A link to something that is collapsed opens it.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  open();
  // Paper has no buttons: what is collapsed is printed open. Long listings, the numbers of pictures, and what stands there once for each
  // seed or method stay as the reader left them.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not(.listing, .numbers, .chosen, .listing details)")) details.open = true;
  });
})();
