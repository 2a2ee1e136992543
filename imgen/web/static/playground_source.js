// A picture to start from, in the playground: chosen, dropped or one of one's own, and the mask painted over it by pointer or keyboard.
"use strict";

(() => {
  const form = document.getElementById("play");
  if (!form) return;
  const { image, image_name: name, mask, mask_name: maskName } = form.elements;
  const file = document.getElementById("source-file");
  const section = document.getElementById("start");
  const drop = document.getElementById("drop");
  const chosen = document.getElementById("chosen");
  const view = document.getElementById("mask-view");
  const brush = document.getElementById("brush");
  const undo = document.getElementById("mask-undo");
  const clear = document.getElementById("mask-clear");
  const said = document.getElementById("said");

  const LONG_SIDE = 1024; // pixels of the mask; the server scales it to the source
  const PAINT = "rgb(230 0 110 / 0.6)"; // unlike most of what pictures show
  const painted = document.createElement("canvas"); // white on black, as it is sent
  const layer = document.createElement("canvas"); // the same as a coloured layer, as it is shown
  let picture = null;
  let steps = []; // strokes, each a list of points with its width; null: all before was cleared
  let stroke = null; // the last one that was begun
  let cursor = null; // of the keyboard, in pixels of the mask
  let isSpaceDown = false;

  const say = (text) => { said.textContent = text; };

  const complain = (text) => form.dispatchEvent(new CustomEvent("problem", { detail: text }));

  const announce = (chosenFile) => form.dispatchEvent(new CustomEvent("source:file", { detail: chosenFile })); // null: none

  const changed = () => form.dispatchEvent(new Event("change", { bubbles: true }));

  // Painting.

  const strokes = () => steps.slice(steps.lastIndexOf(null) + 1);

  const trace = (context, { points, width }, colour) => {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = width;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.arc(...points[0], width / 2, 0, 2 * Math.PI); // a lone point is a dab, and no line
    context.fill();
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.stroke();
  };

  const show = () => {
    if (!picture) return;
    const context = view.getContext("2d");
    const over = layer.getContext("2d");
    over.globalCompositeOperation = "source-over";
    over.clearRect(0, 0, layer.width, layer.height);
    for (const stroke of strokes()) trace(over, stroke, "white");
    over.globalCompositeOperation = "source-in"; // one colour, however often a place was painted
    over.fillStyle = PAINT;
    over.fillRect(0, 0, layer.width, layer.height);
    context.drawImage(picture, 0, 0, view.width, view.height);
    context.drawImage(layer, 0, 0);
    if (cursor && document.activeElement === view) {
      for (const [colour, width] of [["black", 5], ["white", 2]]) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.beginPath();
        context.arc(...cursor, Number(brush.value) / 2, 0, 2 * Math.PI);
        context.stroke();
      }
    }
  };

  const write = () => {
    const context = painted.getContext("2d");
    context.fillStyle = "black";
    context.fillRect(0, 0, painted.width, painted.height);
    for (const stroke of strokes()) trace(context, stroke, "white");
    mask.value = strokes().length ? painted.toDataURL("image/png") : "";
    maskName.value = mask.value && "mask.png"; // for the code
    undo.disabled = steps.length === 0;
    clear.disabled = strokes().length === 0;
    show();
    changed();
  };

  const place = (event) => {
    const box = view.getBoundingClientRect();
    return [((event.clientX - box.left) * view.width) / box.width, ((event.clientY - box.top) * view.height) / box.height];
  };

  const begin = (point) => {
    stroke = { points: [point], width: Number(brush.value) };
    steps.push(stroke);
  };
  const extend = (point) => { stroke.points.push(point); show(); }; // undone amid the stroke, it stays undone

  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return; // a second finger paints nothing
    event.preventDefault();
    view.focus();
    view.setPointerCapture(event.pointerId);
    cursor = place(event);
    begin(cursor);
    show();
  });
  view.addEventListener("pointermove", (event) => {
    if (!view.hasPointerCapture(event.pointerId)) return;
    cursor = place(event);
    extend(cursor);
  });
  view.addEventListener("lostpointercapture", write);

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  view.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z") {
      event.preventDefault();
      undo.click();
      return;
    }
    if (event.key === " ") {
      event.preventDefault();
      if (!event.repeat) {
        isSpaceDown = true;
        begin(cursor);
        show();
      }
    } else if (MOVES[event.key]) {
      event.preventDefault();
      const far = Number(brush.value) / (event.shiftKey ? 8 : 2);
      const limits = [view.width, view.height];
      cursor = cursor.map((at, axis) => Math.min(Math.max(at + MOVES[event.key][axis] * far, 0), limits[axis]));
      if (isSpaceDown) extend(cursor);
      else show();
    }
  });
  const lift = () => {
    if (!isSpaceDown) return;
    isSpaceDown = false;
    write();
    say("Painted");
  };
  view.addEventListener("keyup", (event) => { if (event.key === " ") lift(); });
  view.addEventListener("focus", show);
  view.addEventListener("blur", () => { lift(); show(); });
  brush.addEventListener("input", show);
  undo.addEventListener("click", () => { steps.pop(); write(); say("Undone"); });
  clear.addEventListener("click", () => { steps.push(null); write(); say("Mask cleared"); });

  // The source.

  const remove = () => {
    file.value = name.value = image.value = "";
    announce(null);
    picture = null;
    steps = [];
    mask.value = maskName.value = "";
    chosen.hidden = true;
    changed();
  };

  const chooseNearestSize = (width, height) => {
    const distance = (input) => {
      const [across, down] = input.value.split("x");
      return Math.abs(Math.log(across / down / (width / height)));
    };
    [...form.elements.size].reduce((best, input) => (distance(input) < distance(best) ? input : best)).checked = true;
  };

  const take = (loaded, width, height) => {
    picture = loaded;
    const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
    for (const canvas of [view, painted, layer]) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    cursor = [view.width / 2, view.height / 2];
    steps = [];
    chooseNearestSize(width, height);
    chosen.hidden = false;
    section.open = true;
    write();
    say(`Source: ${width} × ${height} pixels`);
  };

  const takeFile = async () => {
    const [given] = file.files;
    if (!given) { remove(); return; }
    if (given.size > Number(file.dataset.maxBytes)) {
      remove();
      complain(file.dataset.problem);
      return;
    }
    let loaded;
    try {
      loaded = await createImageBitmap(given);
    } catch {
      remove();
      complain(file.dataset.problem);
      return;
    }
    if (file.files[0] !== given) return; // another one was chosen meanwhile
    document.getElementById("problem").replaceChildren();
    image.value = "";
    name.value = given.name;
    take(loaded, loaded.width, loaded.height);
    announce(given);
  };

  const takeJob = ({ source, tenant, url }) => {
    const loaded = new Image();
    loaded.addEventListener("load", () => {
      file.value = name.value = "";
      announce(null);
      image.value = source;
      form.elements.tenant.value = tenant; // of another one it could not be used
      take(loaded, loaded.naturalWidth, loaded.naturalHeight);
      section.querySelector("summary").focus({ preventScroll: true });
      section.scrollIntoView({ block: "start" });
    });
    loaded.addEventListener("error", () => complain("The files of this picture are no longer kept."));
    loaded.src = url;
  };

  file.addEventListener("change", takeFile);
  form.addEventListener("source:refused", (event) => { remove(); complain(event.detail); });
  document.getElementById("source-remove").addEventListener("click", () => { remove(); file.focus(); say("Source removed"); });
  document.addEventListener("click", (event) => {
    const source = event.target.closest("[data-source]");
    if (source) takeJob(source.dataset);
  });

  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      section.open = true;
      drop.classList.add("over");
    });
  }
  form.addEventListener("dragleave", (event) => { if (!form.contains(event.relatedTarget)) drop.classList.remove("over"); });
  form.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    const dropped = new DataTransfer();
    dropped.items.add(event.dataTransfer.files[0]);
    file.files = dropped.files;
    takeFile();
  });

  if (form.dataset.sourceNow) takeJob(JSON.parse(form.dataset.sourceNow)); // from a job's page
})();
