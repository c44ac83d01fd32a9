// Shared by the components: elements made of text nodes, precision marks, links that open views.
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
};

// One mark a precision, the same on the charts (vibecore/views/charts/style.py). A shape that is not
// here comes with its outline, in a box from -1 to 1.
const SHAPES = {
  circle: "M8 3a5 5 0 1 0 .001 0Z",
  square: "M3.5 3.5h9v9h-9Z",
  triangle: "M8 2.5 13.5 13h-11Z",
  diamond: "M8 2 14 8 8 14 2 8Z",
  cross: "M6.4 3h3.2v3.4H13v3.2H9.6V13H6.4V9.6H3V6.4h3.4Z",
};
const precisionMark = (mark) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", mark.path || SHAPES[mark.shape] || SHAPES.circle);
  if (mark.path) path.setAttribute("transform", "translate(8 8) scale(5.6)");
  path.setAttribute("fill", mark.colour);
  svg.append(path);
  return svg;
};

// A real link: a plain click stays in this session, any other click is the browser's own.
const viewLink = (target, text, open, full) => {
  const anchor = make("a", { href: target.href }, text);
  anchor.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    open(target);
  });
  return full ? named(anchor, text, full) : anchor;
};

// A short name: its full one shows beside it under the pointer, on focus and on a tap.
const shortName = (text, full) => full
  ? named(make("button", { type: "button" }, text), text, full) : text;
const named = (element, text, full) => {
  const bubble = make("span", { class: "full-name", "aria-hidden": "true" }, full);
  const show = () => {
    const root = element.closest(".root");
    root.append(bubble);
    const [around, at] = [root, element].map((e) => e.getBoundingClientRect());
    const furthest = Math.max(0, around.width - bubble.offsetWidth);
    bubble.style.left = `${Math.min(Math.max(0, at.left - around.left), furthest)}px`;
    bubble.style.top = `${at.bottom - around.top + 3}px`;
  };
  const hide = () => {
    if (element.getRootNode().activeElement !== element) bubble.remove();
  };
  element.classList.add("name");
  element.setAttribute("aria-label", `${text}: ${full}`);
  element.addEventListener("pointerenter", show);
  element.addEventListener("focus", show);
  element.addEventListener("pointerleave", hide);
  element.addEventListener("blur", () => bubble.remove());
  if (element.tagName === "BUTTON") {
    element.addEventListener("click", (event) => { event.stopPropagation(); show(); });
  }
  return element;
};
