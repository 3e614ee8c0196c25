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
      DeepLink:
        () =>
        ({ text }) =>
          element("span", null, text),
      // Between the title and the names of the groups a level of headings is missing.
      operations: (Original) => (props) =>
        element(React.Fragment, null, element("h2", { className: "unseen" }, "Operations"), element(Original, props)),
    },
  };
}

/** What lacks an attribute, and what it gets. */
const MISSING = [
  ["select.examples-select-element", "aria-label", () => "Example"],
  ["select.content-type", "aria-label", () => "Media type"],
  [".responses-table", "aria-label", (table) => `Responses of ${table.id.replace(/_responses$/, "")}`],
  [".information-container", "role", () => "banner"],
  // What can be scrolled must be reached by the keyboard.
  ["pre.microlight", "tabindex", () => "0"],
];

function complete() {
  for (const [selector, attribute, value] of MISSING) {
    for (const found of viewer.querySelectorAll(`${selector}:not([${attribute}])`)) {
      found.setAttribute(attribute, value(found));
    }
  }
  const title = viewer.querySelector(".info .title")?.firstChild?.textContent;
  if (title) document.title = `${title} · API`;
}

new MutationObserver(complete).observe(viewer, { childList: true, subtree: true });

window.SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  domNode: viewer,
  deepLinking: true,
  displayRequestDuration: true,
  plugins: [mended],
  // Its default is a service of somebody else's.
  validatorUrl: null,
});
