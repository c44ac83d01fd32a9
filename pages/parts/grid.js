// Prompts × configs. Data: see vibecore/views/grid.py.
const headOf = (column) => make("th", { scope: "col" },
  make("div", { class: "name" }, precisionMark(column.shape),
    shortName(column.name, column.name === column.config ? null : column.config),
    column.badge ? make("span", { class: "badge" }, column.badge) : null),
  column.totals.map((total) => make("div", { class: "note" }, total)));

const answerOf = (cell, key, opened) => {
  if (cell.instead) return make("p", { class: "instead" }, cell.instead);
  const left = cell.left ? `… ${cell.left.toLocaleString("en")} more characters` : null;
  const text = make("pre", { class: cell.code ? "code" : "prose" }, cell.text,
    left ? make("span", { class: "note left" }, left) : null);
  const more = make("button", { type: "button", class: "more", hidden: "" });
  const show = (open) => {
    text.classList.toggle("open", open);
    more.textContent = open ? "less" : "more";
    more.setAttribute("aria-expanded", String(open));
    if (open) opened.add(key); else opened.delete(key);
  };
  more.addEventListener("click", (event) => {
    event.stopPropagation();
    show(!text.classList.contains("open"));
  });
  show(opened.has(key));
  return [text, more];
};

const cellOf = (row, cell, column, open, opened) => {
  const [sign, words] = STATES[cell.state];
  const verdict = make("div", { class: `verdict ${cell.state}` },
    make("span", { class: "sign", title: words, "aria-hidden": "true" }, sign),
    viewLink(row.link, cell.verdict, open));
  const element = make("td", { "data-config": column.config, title: column.config },
    make("div", { class: "name", "aria-hidden": "true" }, precisionMark(column.shape), column.name),
    verdict,
    cell.broken ? make("div", { class: "mark" }, cell.broken) : null,
    answerOf(cell, `${row.id}/${column.config}`, opened));
  element.addEventListener("click", () => {
    if (!window.getSelection().toString()) open(row.link);
  });
  return element;
};

const rowOf = (row, columns, open, opened) => make("tr", { "data-prompt": row.id },
  make("th", { scope: "row" },
    make("div", { class: "id" }, viewLink(row.link, row.id, open)),
    make("div", { class: "words", title: row.prompt }, row.words),
    row.differ.length ? make("div", { class: "note differ" }, `differ in ${row.differ.join(", ")}`)
      : make("div", { class: "note differ" }, "no difference"),
    row.pair ? make("div", { class: "note pair" }, "furthest apart: ",
      viewLink(row.pair.link, row.pair.text, open)) : null),
  row.cells.map((cell, index) => cellOf(row, cell, columns[index], open, opened)));

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const opened = root.opened ??= new Set();
  const open = (target) => setTriggerValue("open", target);
  root.replaceChildren(
    make("p", { class: "note" }, data.note),
    make("table", { class: `grid of-${data.columns.length}` },
      make("caption", { class: "visually-hidden" }, data.caption),
      make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "prompts" }, "prompt"),
        data.columns.map(headOf))),
      make("tbody", {}, data.rows.map((row) => rowOf(row, data.columns, open, opened)))),
    make("p", { class: "note" }, data.legend));
  // "more" stands only where a text is longer than its cell shows, at any width.
  const measure = () => root.querySelectorAll("td pre").forEach((text) => {
    const hidden = text.scrollHeight > text.clientHeight + 1;
    text.nextElementSibling.hidden = !hidden && !text.classList.contains("open");
  });
  root.watched?.disconnect();
  root.watched = new ResizeObserver(measure);
  root.watched.observe(root);
}
