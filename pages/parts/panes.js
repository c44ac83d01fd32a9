// The panes of a session: one card a config, redrawn only where it has changed.
// What the reader has opened outlives the root: when the session ends, the row above the panes goes,
// and they are mounted anew.
const opened = { session: null, folds: new Set() };
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const panes = root.panes || [];
  if (opened.session !== data.session) {
    opened.session = data.session;
    opened.folds = new Set();
  }
  if (panes.length !== data.cards.length || root.session !== data.session) {
    root.session = data.session;
    root.panes = data.cards.map((card) => ({ element: make("article") }));
    root.replaceChildren(make("div", { class: `cards of-${data.cards.length}` },
      root.panes.map((pane) => pane.element)));
  }
  data.cards.forEach((card, index) => {
    const pane = root.panes[index];
    const content = JSON.stringify(card);
    if (pane.content === content) return;
    pane.content = content;
    const fresh = cardOf(card, opened.folds);
    fresh.setAttribute("data-status", card.status);
    fresh.setAttribute("aria-busy", String(card.busy));
    pane.element.replaceWith(fresh);
    pane.element = fresh;
  });
}
