// The list's chosen pictures: kept over its pages and its updates, chosen in ranges with Shift, counted in the bar.
"use strict";

(() => {
  const bar = document.getElementById("chosen");
  const count = document.getElementById("count");
  const query = new URLSearchParams(location.search);
  for (const name of ["after", "view"]) query.delete(name);
  const place = `chosen ${query}`; // other filters, another choice
  const kept = new Set(JSON.parse(sessionStorage.getItem(place) ?? "[]"));
  let last = "";

  const boxes = () => [...document.querySelectorAll("#list .choose input")];
  const button = (action) => bar.querySelector(`[formaction$="/${action}"]`);

  const paint = () => {
    const here = boxes();
    for (const box of here) box.checked = kept.has(box.value);
    const shown = new Set(here.map((box) => box.value));
    const others = [...kept].filter((id) => !shown.has(id));
    document.getElementById("elsewhere").replaceChildren(...others.map((id) => {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "job", value: id });
      return field;
    }));
    bar.hidden = kept.size === 0;
    const more = others.length ? `, ${others.length} of them on other pages` : "";
    count.textContent = `${kept.size} chosen${more}`;
    button("compare").disabled = kept.size < 2;
    button("delete").dataset.ask = `Delete ${kept.size} ${kept.size === 1 ? "job" : "jobs"} and their files for good?`;
    sessionStorage.setItem(place, JSON.stringify([...kept]));
  };

  const keep = (id, isChosen) => {
    if (!isChosen) kept.delete(id);
    else if (kept.size < Number(bar.dataset.max)) kept.add(id);
  };

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("#list .choose input");
    if (box) {
      const all = boxes().map((one) => one.value);
      const from = event.shiftKey && all.includes(last) ? all.indexOf(last) : all.indexOf(box.value);
      const [low, high] = [from, all.indexOf(box.value)].sort((one, other) => one - other);
      for (const id of all.slice(low, high + 1)) keep(id, box.checked);
      last = box.value;
      paint();
    }
    const choice = event.target.closest?.("[data-choose]")?.dataset.choose;
    if (choice === "all") for (const one of boxes()) keep(one.value, true);
    if (choice === "none") kept.clear();
    if (choice) paint();
    if (choice === "none") boxes()[0]?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && kept.size && event.target.closest?.("#list, #chosen")) {
      kept.clear();
      paint();
    }
  });
  document.addEventListener("submit", (event) => {
    if (event.target === bar && event.submitter === button("delete") && !event.defaultPrevented) sessionStorage.removeItem(place);
  });
  document.addEventListener("htmx:afterSwap", paint);
  paint();
})();
