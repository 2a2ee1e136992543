// Starts Scalar's API reference with everything switched off that would ask another server for something. Its list of schemas is
// called "Models", which here are something else; they are all shown where they are used.
"use strict";

const place = document.getElementById("reference");

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
