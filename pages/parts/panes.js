// The panes of a session: one card a config, redrawn only where it has changed.
export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const panes = root.panes || [];
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
    const fresh = cardOf(card, root.opened ??= new Set());
    fresh.setAttribute("data-status", card.status);
    fresh.setAttribute("aria-busy", String(card.busy));
    pane.element.replaceWith(fresh);
    pane.element = fresh;
  });
}
