// Before and after in Studio: the source lies over the picture, up to a line that pointer, finger and arrow keys move.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const sources = new Map(); // job → URL of the file that it was made of, which the browser has already
  let sent = "";

  const words = (share) => {
    if (share <= 1) return "all after";
    if (share >= 99) return "all before";
    return `${share} percent before`;
  };

  const move = (divider) => {
    divider.parentElement.style.setProperty("--at", `${divider.value}%`);
    divider.setAttribute("aria-valuetext", words(Number(divider.value)));
  };

  const begin = () => {
    const figure = document.querySelector("#result .compare:not(.begun)");
    const before = figure?.querySelector(".before");
    if (!before) return;
    figure.classList.add("begun");
    before.addEventListener("load", () => {
      for (const part of figure.querySelectorAll("[hidden]")) part.hidden = false;
      move(figure.querySelector(".divider"));
    });
    before.src = sources.get(figure.closest("article").dataset.job) ?? before.dataset.src;
  };

  document.addEventListener("input", (event) => { if (event.target.matches(".divider")) move(event.target); });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const view = document.getElementById("source-view");
    if (event.detail.elt === form) sent = view.src.startsWith("blob:") ? view.src : "";
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig?.elt === form && sent) {
      for (const made of document.querySelectorAll("#result [data-job]")) sources.set(made.dataset.job, sent);
      sent = "";
    }
    begin();
  });
  begin();
})();
