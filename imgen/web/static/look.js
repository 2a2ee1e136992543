// A picture to look up: dropped, pasted or chosen, shown, and sent at once; what comes back is told aloud.
"use strict";

(() => {
  const form = document.getElementById("look");
  const input = document.getElementById("picture");
  const plate = document.getElementById("plate");
  const view = document.getElementById("sent");
  const busy = document.getElementById("busy");
  const { maxBytes, problem } = plate.dataset;
  const EXPIRED = "This could not be sent. Load the page anew and try again.";

  for (const words of form.querySelectorAll(".scripted")) words.hidden = false;

  const complain = (text) => {
    const line = document.createElement("p");
    line.className = "problem";
    line.setAttribute("role", "alert");
    line.textContent = text;
    document.getElementById("found").replaceChildren(line);
  };

  const show = (file) => {
    if (view.src) URL.revokeObjectURL(view.src);
    view.src = URL.createObjectURL(file);
    view.hidden = false;
  };
  const hide = () => {
    if (view.src) URL.revokeObjectURL(view.src);
    view.removeAttribute("src");
    view.hidden = true;
  };
  view.addEventListener("error", hide); // what the browser cannot show the server may read

  const send = () => {
    const file = input.files[0];
    if (!file) {
      hide();
    } else if (file.size > Number(maxBytes)) {
      hide();
      input.value = "";
      complain(problem);
    } else {
      show(file);
      form.requestSubmit();
    }
  };
  input.addEventListener("change", send);

  const take = (file) => {
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    send();
  };
  const firstPicture = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));

  document.addEventListener("paste", (event) => {
    const pasted = firstPicture(event.clipboardData);
    if (!pasted) return;
    event.preventDefault();
    take(pasted);
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
    const dropped = firstPicture(event.dataTransfer);
    if (dropped) take(dropped);
    else complain(problem);
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt !== form) return;
    busy.textContent = "Reading the picture…";
    document.getElementById("found").setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (requestConfig.elt !== form || xhr.status < 400) return;
    event.detail.isError = false;
    if (xhr.responseText.includes('id="found"')) event.detail.shouldSwap = true; // the page itself says what is wrong
    else complain(EXPIRED);
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt === form) complain("The server does not answer. Try again in a moment.");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt !== form) return;
    busy.textContent = "";
    document.getElementById("found").removeAttribute("aria-busy");
  });
  document.addEventListener("htmx:afterSettle", (event) => { // the focus goes to the verdict, which is read aloud by it
    if (event.detail.elt.id === "found") document.getElementById("verdict")?.focus();
  });
})();
