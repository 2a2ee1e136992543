// What pages do without the server: menus, copying, asking before a change that cannot be undone.
"use strict";

document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-toggle]");
  if (toggle) {
    const isOpen = document.getElementById(toggle.dataset.toggle).classList.toggle("open");
    toggle.setAttribute("aria-expanded", String(isOpen));
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    const label = copy.textContent;
    const say = (text) => {
      copy.textContent = text;
      setTimeout(() => { copy.textContent = label; }, 1500);
    };
    if (navigator.clipboard) {
      navigator.clipboard.writeText(source.textContent.trim()).then(() => say("Copied"));
    } else { // over plain HTTP browsers give no clipboard
      window.getSelection().selectAllChildren(source);
      say("Selected");
    }
  }
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) {
    document.getElementById(reveal.dataset.reveal).classList.remove("blurred");
    reveal.remove();
  }
});

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (event.target.closest("[data-submit-on-change]")) event.target.form.requestSubmit();
});

document.addEventListener("toggle", (event) => { // a menu that opens stands below its button, or above it
  if (event.newState !== "open" || !event.target.matches?.(".more")) return;
  const menu = event.target;
  const button = document.querySelector(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
  const below = button.bottom + menu.offsetHeight < innerHeight;
  menu.style.top = `${below ? button.bottom + 4 : Math.max(4, button.top - menu.offsetHeight - 4)}px`;
  menu.style.left = `${Math.max(4, Math.min(button.right, innerWidth - 4) - menu.offsetWidth)}px`;
}, true);
