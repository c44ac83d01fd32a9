// One output as a card. Data: see vibecore/views/cards.py.
const VERDICTS = { pass: ["✓", "met"], fail: ["×", "not met"], error: ["!", "check failed"],
  skipped: ["–", "skipped"] };

const textOf = (card) => {
  if (card.instead) return make("p", { class: "instead" }, card.instead);
  const pieces = card.pieces.map((piece) => {
    const here = piece.here ? make("span", { class: "here" }, piece.here) : null;
    const text = piece.marks.length
      ? make("mark", { class: piece.marks.join(" "), title: piece.title }, piece.text)
      : piece.text;
    const after = piece.after
      ? make("span", { class: "after", title: piece.title }, piece.after) : null;
    // Beyond a line's end it would read as being of the next token.
    return piece.text.startsWith("\n") ? [here, after, text] : [here, text, after];
  });
  return make("pre", { class: card.code ? "code" : "prose", tabindex: "0" }, pieces);
};

const copyButton = (text) => {
  const button = make("button", { type: "button", class: "copy" }, "copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = "not allowed";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  return button;
};

// What is folded above an answer. `opened` remembers across redraws what the reader has opened.
const foldOf = (fold, config, opened) => {
  const key = `${config}/${fold.name}`;
  const details = make("details", { "data-fold": fold.name, open: opened.has(key) ? "" : null },
    make("summary", {}, fold.label),
    make("div", { class: "body" }, make("pre", { class: "code", tabindex: "0" }, fold.text),
      copyButton(fold.text)));
  details.addEventListener("toggle", () => {
    if (details.open) opened.add(key); else opened.delete(key);
  });
  return details;
};

const cardOf = (card, opened) => make("article", { "data-config": card.config },
  make("header", {},
    make("h3", {}, precisionMark(card.shape), shortName(card.name || card.config, card.full),
      card.badge ? make("span", { class: "badge" }, card.badge) : null),
    make("div", { class: "note" }, (card.facts || []).join(" · "),
      card.label ? make("span", { class: "label" }, card.label) : null),
    card.notice ? make("div", { class: "notice" }, card.notice) : null),
  make("div", { class: "folds" },
    (card.folds || []).map((fold) => foldOf(fold, card.config, opened))),
  make("div", { class: "body" }, card.heading ? make("h4", {}, card.heading) : null,
    textOf(card), card.text ? copyButton(card.text) : null),
  make("section", { class: "verdicts" },
    card.met ? make("h4", {}, card.met) : null,
    make("ul", {}, (card.verdicts || []).map((verdict) => make("li", { class: verdict.status },
      make("span", { class: "tick", title: VERDICTS[verdict.status][1] },
        VERDICTS[verdict.status][0]),
      make("span", {}, make("span", { class: "visually-hidden" },
        `${VERDICTS[verdict.status][1]}: `), make("b", {}, verdict.check),
        make("span", { class: "note" }, ` ${verdict.explanation}`),
        verdict.cut ? make("span", { class: "cut" }, ` ${verdict.cut}`) : null))))),
  make("dl", {}, (card.scores || []).map((score) => make("div", { title: score.note },
    make("dt", {}, score.label), make("dd", {}, score.value)))));
