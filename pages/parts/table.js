// A table: columns [{label, unit, numeric, narrow}], rows [{cells, marked, link}],
// cells {text, note, sort, shape, badge, interval, share}. Headers sort; a row opens its link.
// A config's name stays on its line up to so many characters.
const LONG_NAME = 16;

// A figure stays with its unit where a cell wraps.
const together = (text) => text && String(text).replace(/(\d) (?=\S+$)/, "$1\u00a0");

const cellContent = (cell, row, open) => {
  const text = row.link && cell.opens ? viewLink(row.link, cell.text, open) : cell.text;
  const main = make("div", { class: "main" },
    cell.shape ? precisionMark(cell.shape) : null, text,
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
        ? make("span", {}, column.label)
        : make("button", { type: "button", title: `Sort by ${column.label}` }, column.label, arrow);
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
          const { numeric, narrow, label } = data.columns[index];
          const shown = numeric
            ? { ...cell, text: together(cell.text), note: together(cell.note) } : cell;
          const long = String(cell.text).length > LONG_NAME;
          return make(index === 0 ? "th" : "td", {
            scope: index === 0 ? "row" : null,
            class: numeric ? "number" : long ? "long" : null,
            "data-label": narrow || label,
          }, cellContent(shown, row, open));
        }));
      if (row.link) {
        line.classList.add("opens");
        line.addEventListener("click", () => {
          if (!String(getSelection())) open(row.link);
        });
      }
      return line;
    });
    root.replaceChildren(make("table", { class: data.look || null },
      make("caption", { class: "visually-hidden" }, data.caption),
      make("thead", {}, header), make("tbody", {}, body)));
  };
  draw();
}
