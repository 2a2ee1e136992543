// The chosen source on its way to the server, in the playground: sent once as it is, before the first request that needs it.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const { image, tenant } = form.elements;
  const bar = document.getElementById("source-progress");
  const FRESH_MS = 23 * 3600 * 1000; // the server keeps it for a day
  const REFUSED = [400, 413]; // the file itself is of no use

  let file = null;
  let sending = null; // { request, at, done }; `done` is a promise of "" or of the error
  let isWaiting = false;

  const complain = (text) => form.dispatchEvent(new CustomEvent("problem", { detail: text }));

  const problemOf = (request) => {
    if (request.status === 0) return "The server does not answer. Try again in a moment.";
    try {
      return JSON.parse(request.responseText).error;
    } catch { // not from the endpoint
      return "This could not be sent. Load the page anew and try again.";
    }
  };

  const stop = () => {
    const { request } = sending ?? {};
    sending = null;
    bar.hidden = true;
    request?.abort();
  };

  const send = () => {
    stop();
    image.value = "";
    const request = new XMLHttpRequest();
    const own = { request, at: Date.now() };
    own.done = new Promise((resolve) => {
      request.upload.addEventListener("progress", ({ loaded, total }) => { if (sending === own) bar.value = loaded / total; });
      request.addEventListener("loadend", () => {
        if (sending !== own) { resolve(""); return; } // another one took its place
        bar.hidden = true;
        if (request.status === 401) {
          window.location.assign("/sign-in");
        } else if (request.status === 200) {
          image.value = JSON.parse(request.responseText).image;
          resolve("");
        } else {
          sending = null;
          const problem = problemOf(request);
          if (REFUSED.includes(request.status)) form.dispatchEvent(new CustomEvent("source:refused", { detail: problem }));
          else complain(problem);
          resolve(problem);
        }
      });
    });
    sending = own;
    bar.value = 0;
    bar.hidden = false;
    request.open("POST", `/play/upload?tenant=${encodeURIComponent(tenant.value)}`);
    request.setRequestHeader("HX-Request", "true");
    for (const [header, value] of Object.entries(JSON.parse(document.body.getAttribute("hx-headers")))) {
      request.setRequestHeader(header, value);
    }
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  };

  form.addEventListener("source:file", (event) => {
    file = event.detail;
    if (file) send();
    else stop();
  });
  form.addEventListener("change", (event) => { if (event.target === tenant && file) send(); });

  document.addEventListener("htmx:confirm", async (event) => { // a request with a file waits until it has arrived
    if (event.detail.elt !== form || !file) return;
    event.preventDefault();
    if (isWaiting) return;
    isWaiting = true;
    const button = form.querySelector(".go");
    button.setAttribute("aria-busy", "true");
    if (!sending || Date.now() - sending.at > FRESH_MS) send();
    let awaited;
    let problem;
    do {
      awaited = sending;
      problem = await awaited?.done;
    } while (sending && sending !== awaited);
    isWaiting = false;
    button.removeAttribute("aria-busy");
    if (!problem) event.detail.issueRequest(true);
  });
})();
