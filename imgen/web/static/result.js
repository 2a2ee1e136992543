// What comes back to a page that makes pictures: errors beside the form, the state said aloud, the thumbnail of what is shown marked.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const said = document.getElementById("said");

  const say = (text) => { if (said.textContent !== text) said.textContent = text; };

  const complain = (text) => {
    const line = document.createElement("p");
    line.className = "problem";
    line.setAttribute("role", "alert");
    line.textContent = text;
    document.getElementById("problem").replaceChildren(line);
  };
  form.addEventListener("problem", (event) => complain(event.detail)); // of the other scripts

  const markShown = () => {
    const shown = document.getElementById("job")?.dataset.job;
    for (const thumb of document.querySelectorAll(".thumb")) {
      if (thumb.dataset.job === shown) thumb.setAttribute("aria-current", "true");
      else thumb.removeAttribute("aria-current");
    }
  };
  markShown();

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, elt, requestConfig } = event.detail; // `elt` is the target
    if (xhr.status < 400) return;
    if (xhr.getResponseHeader("HX-Retarget")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    } else if (requestConfig.elt === form) {
      complain("This could not be sent. Load the page anew and try again.");
    } else if (xhr.status === 404 && elt.classList.contains("standing")) {
      elt.closest("article").remove();
      complain("This picture is no longer there.");
    } else if (xhr.status === 404 && elt.id === "batch") {
      elt.remove();
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => { // what comes next is another picture
    if (event.detail.elt !== form) return;
    const empty = document.createElement("div");
    empty.className = "empty";
    document.getElementById("result").replaceChildren(empty);
    markShown();
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt === form) complain("The server does not answer. Try again in a moment.");
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    markShown();
    const now = document.querySelector("#result [data-say]");
    if (now && !["code", "history", "plan"].includes(event.detail.target.id)) say(now.dataset.say); // those say nothing of the picture
    const asked = event.detail.requestConfig?.elt;
    if (event.detail.target.id === "result" && (asked === form || asked?.classList.contains("thumb"))) {
      event.detail.target.scrollIntoView({ block: asked === form ? "nearest" : "start" });
    }
  });
})();
