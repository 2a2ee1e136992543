// Starts Scalar's API reference with everything switched off that would ask another server for something. Its list of schemas is
// called "Models", which here are something else; they are all shown where they are used.
// Scalar 1.46.4 misnames some of its controls for those who hear the page; `mend` puts that right whenever it draws.
"use strict";

const place = document.getElementById("reference");

function mend() {
  for (const button of place.querySelectorAll("button[aria-selected]:not([role])")) {
    if (button.getAttribute("aria-selected") === "true") button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    button.removeAttribute("aria-selected");
  }
  for (const button of place.querySelectorAll("[role=tablist] button:not([role])")) {
    button.setAttribute("role", "tab");
  }
  for (const button of place.querySelectorAll("button[role=search]")) {
    button.removeAttribute("role");
  }
  for (const button of place.querySelectorAll("button.scalar-code-copy:not([aria-label])")) {
    button.setAttribute("aria-label", "Copy");
  }
  for (const button of place.querySelectorAll("button.show-more[aria-label]")) {
    const [shown, named] = [button.textContent.trim(), button.getAttribute("aria-label")];
    if (shown && !named.includes(shown)) button.setAttribute("aria-label", `${shown}: ${named}`);
  }
  for (const label of place.querySelectorAll("button.parameter-item-trigger .selected-content-type[tabindex]")) {
    label.removeAttribute("tabindex");
  }
  for (const choice of place.querySelectorAll("button.parameter-item-trigger [aria-haspopup=listbox]")) {
    // A button cannot be within another one
    choice.closest("button.parameter-item-trigger").after(choice.closest("button.parameter-item-trigger > *"));
  }
}

new MutationObserver(mend).observe(place, {
  subtree: true,
  childList: true,
  attributeFilter: ["aria-selected", "aria-label", "role"],
});

window.Scalar.createApiReference(place, {
  url: place.dataset.document,
  agent: { disabled: true },
  hideClientButton: true,
  hideModels: true,
  mcp: { disabled: true },
  orderSchemaPropertiesBy: "preserve",
  persistAuth: false,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
