// A table: columns [{label, full, unit, beside, numeric, narrow}], rows [{cells, marked, link}],
// cells {text, full, note, also, sort, shape, badge, interval, share}. `full` is the name that a text
// is short for, `also` a second note. Headers sort; a row opens its link. Where the page is narrow a row is a block of
// labelled values: `narrow` is the label there instead of label and unit, `beside` the unit that
// stands after the figure.
// A config's name stays on its line up to so many characters.
const LONG_NAME = 16;
// Longer texts and notes take a narrow page's whole width.
const LONG_TEXT = 40, LONG_NOTE = 80;

// A figure stays with its unit where a cell wraps.
const together = (text) => text && String(text).replace(/(\d) (?=\S+$)/, "$1\u00a0");

const cellContent = (cell, row, open, beside) => {
  const text = row.link && cell.opens
    ? viewLink(row.link, cell.text, open, cell.full) : shortName(cell.text, cell.full);
  const main = make("div", { class: "main" },
    cell.shape ? precisionMark(cell.shape) : null, text,
    beside && typeof cell.sort === "number"
      ? make("span", { class: "beside" }, `\u00a0${beside}`) : null,
    cell.badge ? make("span", { class: "badge" }, cell.badge) : null);
  const parts = [main];
  if (cell.interval) {
    const [low, rate, high] = cell.interval.map((share) => `${(100 * share).toFixed(1)}%`);
    const bar = make("div", { class: "interval", "aria-hidden": "true" });
    const range = make("span", { class: "range" });
    range.style.left = low;
    range.style.width = `calc(${high} - ${low})`;
    const point = make("span", { class: "point" });
    point.style.left = rate;
    bar.append(range, point);
    parts.push(bar);
  }
  if (cell.share !== undefined) {
    const bar = make("div", { class: "share", "aria-hidden": "true" }, make("span", {}));
    bar.firstChild.style.width = `${(100 * cell.share).toFixed(1)}%`;
    parts.push(bar);
  }
  if (cell.note) parts.push(make("div", { class: "note" }, cell.note));
  if (cell.also) parts.push(make("div", { class: "note also" }, cell.also));
  return parts;
};

const compare = (a, b) => {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const open = (target) => setTriggerValue("open", target);
  const state = root.sortState || { column: null, down: false };
  root.sortState = state;

  const draw = () => {
    const rows = [...data.rows];
    if (state.column !== null && state.column < data.columns.length) {
      const at = (row) => row.cells[state.column].sort;
      rows.sort((x, y) => {
        const order = compare(at(x), at(y));
        const unknown = at(x) === null || at(y) === null;
        return state.down && !unknown ? -order : order;
      });
    }
    const header = make("tr", {}, data.columns.map((column, index) => {
      const sorted = state.column === index;
      const direction = sorted ? (state.down ? "descending" : "ascending") : "none";
      const arrow = make("span", { class: "arrow", "aria-hidden": "true" },
        sorted ? (state.down ? "▾" : "▴") : "▾");
      const label = data.sortable === false
        ? make("span", {}, shortName(column.label, column.full))
        : make("button", { type: "button", title: `Sort by ${column.full || column.label}` },
          column.label, arrow);
      if (data.sortable !== false) {
        label.addEventListener("click", () => {
          state.down = sorted ? !state.down : Boolean(column.numeric);
          state.column = index;
          draw();
          root.querySelectorAll("th button")[index].focus();
        });
      }
      return make("th", { scope: "col", class: column.numeric ? "number" : null,
        "aria-sort": direction, "data-sorted": sorted ? "yes" : null },
        label, column.unit ? make("div", { class: "note" }, column.unit) : null);
    }));
    const body = rows.map((row) => {
      const line = make("tr", { class: row.marked ? "marked" : null, "data-row": row.id },
        row.cells.map((cell, index) => {
          const { numeric, narrow, label, unit, beside } = data.columns[index];
          const shown = numeric
            ? { ...cell, text: together(cell.text), note: together(cell.note) } : cell;
          const long = String(cell.text).length > LONG_NAME;
          const wide = String(cell.text).length > LONG_TEXT
            || String(cell.note || "").length > LONG_NOTE;
          return make(index === 0 ? "th" : "td", {
            scope: index === 0 ? "row" : null,
            class: [numeric ? "number" : long && "long", wide && "wide"].filter(Boolean).join(" ")
              || null,
            "data-label": narrow ?? [label, beside ? null : unit].filter(Boolean).join(", "),
          }, cellContent(shown, row, open, beside));
        }));
      if (row.link) {
        line.classList.add("opens");
        line.addEventListener("click", () => {
          if (!String(getSelection())) open(row.link);
        });
      }
      return line;
    });
    const look = [data.look, data.columns.length === 2 && "pair"].filter(Boolean).join(" ");
    root.replaceChildren(make("table", { class: look || null },
      make("caption", { class: "visually-hidden" }, data.caption),
      make("thead", {}, header), make("tbody", {}, body)));
  };
  draw();
}
