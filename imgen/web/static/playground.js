// The playground without the server: names after @, styles of the chosen model, old settings put back.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const prompt = form.elements.prompt;
  const names = document.getElementById("names");
  const said = document.getElementById("said");

  const say = (text) => { if (said.textContent !== text) said.textContent = text; };

  const complain = (text) => form.dispatchEvent(new CustomEvent("problem", { detail: text }));

  const chosenModel = () => form.elements.model.selectedOptions[0];

  const offerStyles = () => {
    const { styles, style } = chosenModel().dataset;
    const options = JSON.parse(styles).map(([key, label]) => new Option(label, key, key === style, key === style));
    form.elements.style.replaceChildren(...options);
  };

  const LIMITED = ["steps", "guidance"];

  const offerRanges = () => {
    for (const name of LIMITED) {
      const { min, max, default: usual } = JSON.parse(chosenModel().dataset[name]);
      Object.assign(form.elements[name], { min, max, placeholder: usual, value: "" });
    }
  };

  const offerSizes = () => {
    const own = JSON.parse(chosenModel().dataset.sizes);
    for (const size of form.querySelectorAll("[name=size]")) {
      size.parentElement.hidden = size.disabled = !own.includes(size.value);
    }
    if (!form.querySelector("[name=size]:checked:enabled")) form.querySelector(`[name=size][value="${own[0]}"]`).checked = true;
  };

  const showRange = (input) => {
    const output = input.parentElement.querySelector("output");
    if (output) output.textContent = `${input.value} ${input.dataset.unit ?? "%"}`;
  };

  // Names after @: the prompt keeps the focus, the chosen name is its active descendant.

  let chosen = 0;

  const typedName = () => {
    if (prompt.selectionStart !== prompt.selectionEnd) return null;
    const found = /(?:^|[\s,(])@([^\s,()@]*)$/.exec(prompt.value.slice(0, prompt.selectionStart));
    return found && found[1];
  };

  const close = () => {
    names.hidden = true;
    names.replaceChildren();
    prompt.removeAttribute("aria-activedescendant");
  };

  const choose = (index) => {
    const options = [...names.children];
    chosen = (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === chosen)));
    options[chosen].scrollIntoView({ block: "nearest" });
    prompt.setAttribute("aria-activedescendant", options[chosen].id);
  };

  const offerNames = () => {
    const typed = typedName();
    if (typed === null) { close(); return; }
    const fitting = JSON.parse(chosenModel().dataset.characters).filter(
      ([key, label]) => [key, label].some((word) => word.toLowerCase().startsWith(typed.toLowerCase())),
    );
    if (fitting.length === 0 || (fitting.length === 1 && fitting[0][0] === typed)) { close(); return; }
    names.replaceChildren(...fitting.map(([key, label], at) => {
      const option = document.createElement("li");
      option.id = `name-${at}`;
      option.setAttribute("role", "option");
      option.dataset.key = key;
      option.textContent = label === key ? `@${key}` : `@${key}, ${label}`;
      return option;
    }));
    names.hidden = false;
    choose(0);
    say(`${fitting.length} characters; up and down choose, Enter takes one`);
  };

  const take = (key) => {
    const end = prompt.selectionStart;
    const start = end - typedName().length;
    const after = prompt.value.slice(end);
    prompt.setRangeText(after.startsWith(" ") || after.startsWith(",") ? key : `${key} `, start, end, "end");
    close();
    prompt.dispatchEvent(new Event("input", { bubbles: true }));
  };

  prompt.addEventListener("input", offerNames);
  prompt.addEventListener("click", offerNames);
  prompt.addEventListener("blur", close);
  prompt.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      close();
      form.requestSubmit();
      return;
    }
    if (names.hidden) return;
    const actions = {
      ArrowDown: () => choose(chosen + 1),
      ArrowUp: () => choose(chosen - 1),
      Enter: () => take(names.children[chosen].dataset.key),
      Tab: () => take(names.children[chosen].dataset.key),
      Escape: close,
    };
    if (event.shiftKey || !actions[event.key]) {
      if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) close();
      return;
    }
    event.preventDefault();
    actions[event.key]();
  });
  names.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the prompt keeps the focus
    const option = event.target.closest("[data-key]");
    if (option) take(option.dataset.key);
  });

  // The form's own fields.

  const checkMark = (input) => {
    const file = input.files[0];
    const isTooLarge = file && file.size > Number(input.dataset.maxBytes);
    if (isTooLarge) {
      input.value = "";
      complain("Invalid logo: choose a PNG, JPEG or WebP of at most 4 MiB and 16 megapixels.");
    }
    form.elements.wm_name.value = file && !isTooLarge ? file.name : "";
  };

  form.addEventListener("input", (event) => { if (event.target.type === "range") showRange(event.target); });
  form.addEventListener("change", (event) => {
    if (event.target.name === "model") {
      offerStyles();
      offerRanges();
      offerSizes();
    }
    if (event.target.name === "wm_file") checkMark(event.target);
  });

  const fill = (values) => {
    const { style, steps, guidance, ...others } = values; // these hang on the model
    for (const [name, value] of [...Object.entries(others), ...Object.entries({ style, steps, guidance })]) {
      const field = form.elements[name];
      if (!field || value === undefined) continue;
      if (typeof value === "boolean") field.checked = value;
      else if (field.options && ![...field.options].some((option) => option.value === value)) continue; // not configured any more
      else field.value = value;
      if (name === "model") {
        offerStyles();
        offerRanges();
      }
      if (LIMITED.includes(name) && Number(field.value) === Number(field.placeholder)) field.value = ""; // the model's usual value
      if (field.type === "range") showRange(field);
    }
    offerSizes();
    const isRuled = values.compliance_ruleset && form.elements.compliance_ruleset.selectedIndex > 0;
    const isLimited = LIMITED.some((name) => form.elements[name].value);
    if (values.negative || values.use_cache || values.seed || isRuled || isLimited) document.getElementById("more").open = true;
    form.dispatchEvent(new Event("change", { bubbles: true }));
  };

  document.addEventListener("click", (event) => {
    const thumb = event.target.closest("[data-fill]");
    if (thumb) fill(JSON.parse(thumb.dataset.fill));
    const seed = event.target.closest("[data-seed]");
    if (seed) {
      fill({ seed: seed.dataset.seed });
      document.getElementById("more").open = true;
      form.elements.seed.focus();
    }
  });

  if (form.dataset.fillNow) fill(JSON.parse(form.dataset.fillNow)); // opened from a job's page
})();
