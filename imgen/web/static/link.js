// One-time link: takes the token out of the address, where browsers keep it from servers, and sends it in a form.
"use strict";

function sendToken() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const field = document.getElementById("token");
  field.value = token;
  field.form.requestSubmit();
}
window.addEventListener("hashchange", sendToken);
sendToken();
