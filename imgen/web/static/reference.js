// Starts Scalar's API reference with everything switched off that would ask another server for something.
"use strict";

const place = document.getElementById("reference");

window.Scalar.createApiReference(place, {
  url: place.dataset.document,
  agent: { disabled: true },
  hideClientButton: true,
  mcp: { disabled: true },
  persistAuth: false,
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
