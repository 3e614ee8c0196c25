// Starts the viewer on the gateway's document, and mends what it leaves to be wished for: its colours follow the
// system, and everything that can be operated has a name of its own.

const root = document.documentElement;
const viewer = document.getElementById("viewer");

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => root.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

/** Parts of the viewer as they should be. */
function mended({ React }) {
  const element = React.createElement;
  return {
    wrapComponents: {
      // A link inside of a button is reached by nobody; the address of the page follows what is open anyway.
      DeepLink: () => ({ text }) => element("span", null, text),
      // Between the title and the names of the groups a level of headings is missing.
      operations: (Original) => (props) =>
        element(React.Fragment, null, element("h2", { className: "unseen" }, "Operations"), element(Original, props)),
    },
  };
}

/** What has no name, and the name it gets. */
const NAMELESS = [
  ["select.examples-select-element", () => "Example"],
  ["select.content-type", () => "Media type"],
  [".responses-table", (table) => `Responses of ${table.id.replace(/_responses$/, "")}`],
];

function name() {
  for (const [selector, text] of NAMELESS) {
    for (const found of viewer.querySelectorAll(`${selector}:not([aria-label])`)) {
      found.setAttribute("aria-label", text(found));
    }
  }
  viewer.querySelector(".information-container:not([role])")?.setAttribute("role", "banner");
  const title = viewer.querySelector(".info .title")?.firstChild?.textContent;
  if (title) document.title = `${title} · API`;
}

new MutationObserver(name).observe(viewer, { childList: true, subtree: true });

window.SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  domNode: viewer,
  deepLinking: true,
  displayRequestDuration: true,
  plugins: [mended],
  // Its default is a service of somebody else's.
  validatorUrl: null,
});
