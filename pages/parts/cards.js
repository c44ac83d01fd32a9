// The prompt list beside output cards. Data: see vibecore/views/cards.py.
const promptList = (list, choose) => {
  const items = list.rows.map((row) => {
    const states = row.states.map((state) => make("span",
      { class: `state ${state.state}${state.broken ? " broken" : ""}`,
        title: `${state.config}: ${STATES[state.state][1]}${state.broken ? ", broken" : ""}`
          + (state.cut ? ", decided by the token limit" : "") },
      STATES[state.state][0]));
    const passed = row.states.filter((state) => state.state === "pass").length;
    const differ = list.differ && row.differ.length ? `differ in ${row.differ.join(", ")}` : null;
    const spoken = [`${row.id}: ${passed} of ${row.states.length} config${row.states.length === 1 ? "" : "s"} pass`, differ, row.words]
      .filter(Boolean).join("; ");
    const anchor = make("a", { href: row.href, "aria-label": spoken, "data-prompt": row.id,
      "aria-current": row.current ? "true" : null }, make("span", { class: "id" }, row.id),
      make("span", { class: "states", "aria-hidden": "true" }, states),
      make("span", { class: "note words" }, row.words),
      differ ? make("span", { class: "note words" }, differ) : null);
    anchor.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      choose(row.id);
    });
    return make("li", {}, anchor);
  });
  return make("nav", { class: "list", "aria-label": "Prompts" },
    make("p", { class: "note" }, list.note), make("ol", {}, items),
    make("p", { class: "note" }, "● all constraints met, ○ not; underlined: broken. ",
      `Configs in order: ${list.configs.join(", ")}.`));
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".root");
  const scrolled = root.querySelector(".list ol")?.scrollTop;
  const opened = root.opened ??= new Set();
  const choose = (prompt) => setTriggerValue("prompt", prompt);
  root.replaceChildren(make("div", { class: "view" }, promptList(data.list, choose),
    make("div", { class: "main" },
      make("div", { class: "prompt" },
        make("h3", {}, data.prompt.id, make("span", { class: "note" }, data.prompt.category)),
        make("pre", { class: "prose" }, data.prompt.text),
        data.prompt.note ? make("p", { class: "note" }, data.prompt.note) : null,
        data.prompt.differ ? make("p", { class: "note differ" }, data.prompt.differ) : null),
      data.legend ? make("p", { class: "note legend" }, data.legend) : null,
      make("div", { class: `cards of-${data.cards.length}` }, data.cards.map((card) => cardOf(card, opened))))));
  const list = root.querySelector(".list ol");
  if (scrolled !== undefined) list.scrollTop = scrolled;
  const current = list.querySelector('[aria-current="true"]');
  if (current) {
    const top = current.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + 24 > list.scrollTop + list.clientHeight) {
      list.scrollTop = top - list.clientHeight / 2;
    }
  }
}
