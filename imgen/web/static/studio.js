// Studio without the server: the picture that is chosen, dropped, pasted or photographed; usual strengths; settings put back.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const { image, image_name: name, strength } = form.elements;
  const prompt = document.getElementById("prompt");
  const plate = document.getElementById("drop");
  const view = document.getElementById("source-view");
  const away = document.getElementById("source-remove");
  const inputs = [document.getElementById("source-file"), document.getElementById("source-photo")];
  const said = document.getElementById("said");
  const { maxBytes, problem } = inputs[0].dataset;

  const complain = (text) => form.dispatchEvent(new CustomEvent("problem", { detail: text }));
  const announce = (file) => form.dispatchEvent(new CustomEvent("source:file", { detail: file })); // null: none
  const changed = () => form.dispatchEvent(new Event("change", { bubbles: true }));

  // The source.

  let own = ""; // URL of the chosen file, while it is shown

  const show = (url) => {
    if (own && own !== url) setTimeout(URL.revokeObjectURL, 60_000, own); // a result may show it still
    own = url.startsWith("blob:") ? url : "";
    view.hidden = away.hidden = !url;
    plate.classList.toggle("filled", Boolean(url));
    if (url) view.src = url;
    else view.removeAttribute("src");
  };

  const remove = () => {
    for (const input of inputs) input.value = "";
    image.value = name.value = "";
    announce(null);
    show("");
    changed();
  };

  const takeFile = async (file) => {
    try {
      if (file.size > Number(maxBytes)) throw new RangeError();
      (await createImageBitmap(file)).close();
    } catch {
      remove();
      complain(problem);
      return;
    }
    document.getElementById("problem").replaceChildren();
    image.value = "";
    name.value = file.name;
    show(URL.createObjectURL(file));
    announce(file);
    changed();
    said.textContent = `Picture chosen: ${file.name}`;
  };

  const takeJob = ({ source, tenant, url }) => {
    const loaded = new Image();
    loaded.addEventListener("load", () => {
      remove();
      image.value = source;
      if (form.elements.tenant.value !== tenant) { // of another one it could not be used
        form.elements.tenant.value = tenant;
        form.elements.tenant.dispatchEvent(new Event("change", { bubbles: true }));
      }
      show(url);
      changed();
      said.textContent = "Source: a picture of yours";
      away.focus({ preventScroll: true });
      plate.scrollIntoView({ block: "center" });
    });
    loaded.addEventListener("error", () => complain("The files of this picture are no longer kept."));
    loaded.src = url;
  };

  for (const input of inputs) {
    input.addEventListener("change", () => { if (input.files[0]) takeFile(input.files[0]); });
  }
  form.addEventListener("source:refused", (event) => { remove(); complain(event.detail); });
  away.addEventListener("click", () => { remove(); inputs[0].focus(); said.textContent = "Picture removed"; });

  const firstFile = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

  document.addEventListener("paste", (event) => {
    const pasted = firstFile(event.clipboardData);
    if (!pasted) return; // words, which go where they belong
    event.preventDefault();
    takeFile(pasted);
  });
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      plate.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) plate.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    plate.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    const dropped = firstFile(event.dataTransfer);
    if (dropped) takeFile(dropped);
    else complain(problem);
  });

  // The form's own fields.

  const showStrength = () => { form.querySelector("output[for=strength]").textContent = `${strength.value} %`; };

  const offerStrength = () => {
    const mode = form.querySelector("[name=mode]:checked");
    const look = mode.value === "avatar" && form.querySelector("[name=preset]:checked");
    strength.value = (look || mode).dataset.strength;
    showStrength();
  };

  const offerPlan = () => { // a plan without Studio makes nothing
    form.querySelector(".go").disabled = Boolean(document.getElementById("needs-plan"));
  };

  form.addEventListener("input", (event) => { if (event.target === strength) showStrength(); });
  form.addEventListener("change", (event) => {
    if (["mode", "preset"].includes(event.target.name)) offerStrength();
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!form.querySelector(".go").disabled) form.requestSubmit();
  });
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "plan") offerPlan(); });

  const fill = (values) => {
    const mode = form.querySelector(`[name=mode][value="${values.mode}"]`);
    if (mode) mode.checked = true;
    prompt.value = values.prompt;
    offerStrength();
    if (values.strength) strength.value = values.strength;
    showStrength();
    changed();
  };

  document.addEventListener("click", (event) => {
    const thumb = event.target.closest("[data-fill]");
    if (thumb) fill(JSON.parse(thumb.dataset.fill));
    const source = event.target.closest("[data-source]");
    if (source) takeJob(source.dataset);
  });

  offerStrength();
  offerPlan();
  if (form.dataset.fillNow) fill(JSON.parse(form.dataset.fillNow));
  if (form.dataset.sourceNow) takeJob(JSON.parse(form.dataset.sourceNow)); // from another page
})();
