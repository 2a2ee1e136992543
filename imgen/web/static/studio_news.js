// News of open jobs in Studio: each event of the server has the parts that show the job asked for again, at once.
"use strict";

(() => {
  let stream = null;
  let followed = "";
  const states = new Map(); // job → its latest status

  const openJobs = () => {
    const shown = document.querySelector("#result [data-follow]");
    const others = document.querySelector("#result [data-open]")?.dataset.open.split(" ") ?? [];
    return [...new Set([...(shown ? [shown.dataset.follow] : []), ...others])].filter(Boolean);
  };

  const pass = ({ data }) => {
    const { id, status } = JSON.parse(data);
    document.querySelector(`#result [data-follow="${id}"]`)?.dispatchEvent(new Event("news"));
    if (states.get(id) === status) return; // further in the same state, which thumbnails do not tell
    states.set(id, status);
    document.querySelector("#batch[data-open]")?.dispatchEvent(new Event("news"));
  };

  const follow = () => {
    const ids = openJobs();
    const query = ids.map((id) => `id=${encodeURIComponent(id)}`).join("&");
    if (ids.every((id) => followed.includes(id)) && ids.length) return; // the stream that is open has them
    stream?.close();
    stream = null;
    followed = query;
    if (!query) return;
    stream = new EventSource(`/api/v2/events?${query}`);
    stream.addEventListener("status", pass);
  };

  document.addEventListener("htmx:afterSettle", follow);
  window.addEventListener("pagehide", () => stream?.close());
  follow();
})();
