// On a phone the menu covers the page: it closes once a page or a study is chosen.
const PHONE = matchMedia("(max-width: 768px)");
const close = () => {
  // Streamlit shows the button that opens the menu while it is closed only.
  const isClosed = document.querySelector('[data-testid="stExpandSidebarButton"]');
  if (PHONE.matches && !isClosed) {
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  }
};
// A page that is shown already is chosen too.
document.addEventListener("click", (event) => {
  if (event.target.closest?.('[data-testid="stSidebarNavLink"]')) setTimeout(close, 0);
});
let shown = null;
export default function ({ data }) {
  if (shown !== null && shown !== data.view) close();
  shown = data.view;
}
