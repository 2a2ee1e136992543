#!/usr/bin/env node
// Requests a picture from an Imgen server, or several (`--option n=4`), waits and saves. Node 18 or later, no packages.
//
//     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… node generate.mjs [--option name=value]… [--out DIR] PROMPT
//
// Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
// timed out or was cancelled, 3 the picture was blocked by review, 4 gave up waiting. It does not resume a job.
//
// In a browser (the server must allow the page's origin) import makePicture and display meta.images[].url yourself:
//
//     import { makePicture } from "./generate.mjs";
//     const { meta } = await makePicture({ url, key, body: { prompt: "@aya red coat" }, say: console.log });

const POLLS = 120;
const TRIES = 25; // of `generate` while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of `generate` without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 30;
const LISTEN_S = 360; // time to wait by events, before polls
const SILENCE_S = 45; // a living server sends a comment every 15 s
const FINAL = ["COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED"];
const TYPED = /^(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|"[^]*")$/;
const SAFE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** Ends the script with its `code`; in a browser, the error to catch. */
export class Stop extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/** Starts a job and waits for it → {job: the answer to `generate`, meta}. Throws Stop. */
export async function makePicture({ url, key, body, pollS = 3, say = () => {} }) {
  const server = { url, key, pollS, say };
  const job = await begin(server, body);
  return { job, meta: await finish(server, job) };
}

/** Starts a job, or with `n` several → the answer to `generate`. Throws Stop. */
async function begin(server, body) {
  const job = await start(server, body);
  if (job.warnings?.length) server.say(`the server corrected: ${job.warnings.join(", ")}`);
  return job;
}

/** Waits for one job → its meta. Throws Stop if there is no picture. */
async function finish(server, job) {
  const result = (await listen(server, job)) ?? (await poll(server, job));
  if (result.status !== "COMPLETED") throw new Stop(2, result.error || result.status);
  // Before meta: a blocked picture has none.
  if ((result.compliance ?? "safe") !== "safe") throw new Stop(3, result.error || "Content blocked");
  if (!Array.isArray(result.meta?.images)) throw new Stop(1, "the answer names no pictures");
  return result.meta;
}

/** Sends `generate`; again under the same key if its answer is lost or the server is busy: that makes no second job. */
async function start(server, body) {
  const once = await randomText();
  for (let attempt = 1, lost = 0; ; attempt++) {
    let reply;
    try {
      reply = await post(server, { ...body, action: "generate" }, { "Idempotency-Key": once });
    } catch (error) {
      if (++lost === LOST_TRIES || attempt === TRIES) throw new Stop(1, `cannot reach ${server.url}: ${reason(error)}`);
      server.say(`no answer (${reason(error)}), asking again`);
      await sleep(server.pollS);
      continue;
    }
    if (reply.status === 200 && reply.answer.id) return reply.answer;
    if (!BUSY.includes(reply.status) || attempt === TRIES) throw new Stop(1, errorText(reply));
    await sleep(pauseS(server, reply));
  }
}

/** Returns 128 random bits in hex. Not randomUUID: pages without https have none. */
async function randomText() {
  const crypto = globalThis.crypto ?? (await import("node:crypto")).webcrypto; // Node 18 has no global one
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Waits by events → the final answer; null if the server has none or the stream breaks: then poll. */
async function listen(server, { id }) {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const timers = { whole: setTimeout(abort, LISTEN_S * 1000), silence: setTimeout(abort, SILENCE_S * 1000) };
  const show = shower(server, id);
  try {
    const response = await fetch(`${root(server)}/api/v2/events?id=${encodeURIComponent(id)}`, {
      headers: { Authorization: `Bearer ${server.key}`, Accept: "text/event-stream" },
      redirect: "manual", // the key goes to this server and no other
      signal: stop.signal,
    });
    if (response.status !== 200 || !/^text\/event-stream/.test(response.headers.get("Content-Type"))) return null;
    const reader = response.body.getReader(); // not every browser can iterate a body
    const decoder = new TextDecoder();
    let text = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timers.silence);
      timers.silence = setTimeout(abort, SILENCE_S * 1000);
      const lines = (text + decoder.decode(part.value, { stream: true })).split("\n");
      text = lines.pop();
      for (const line of lines.filter((line) => line.startsWith("data: "))) {
        const answer = JSON.parse(line.slice("data: ".length));
        if (answer.id === id && FINAL.includes(answer.status)) return answer;
        if (answer.id === id) show(answer);
      }
    }
    return null;
  } catch {
    return null; // an old server, a proxy that collects answers, a broken connection
  } finally {
    Object.values(timers).forEach(clearTimeout);
    stop.abort();
  }
}

/** Polls `status` until it is final: one request at a time, pollS seconds apart, POLLS times at most. */
async function poll(server, { id, prompt, model }) {
  const show = shower(server, id);
  let waitS = 0; // no pause before the first poll: a cache hit may be done already
  for (let count = 0; count < POLLS; count++) {
    await sleep(waitS);
    waitS = server.pollS;
    let reply;
    try {
      reply = await post(server, { action: "status", id, prompt, model });
    } catch (error) {
      server.say(`no answer (${reason(error)}), asking again`);
      continue;
    }
    const { status, answer } = reply;
    if (status === 429) {
      waitS = pauseS(server, reply);
    } else if (status >= 500 || (status === 200 && !answer.status)) {
      server.say(`${errorText(reply)}, asking again`);
    } else if (status !== 200) {
      throw new Stop(1, errorText(reply));
    } else if (FINAL.includes(answer.status)) {
      return answer;
    } else {
      show(answer);
    }
  }
  throw new Stop(4, `gave up after ${POLLS} polls; ${id} may still end`);
}

/** Returns a function that reports an open job's answer, unless it says the same as the one before. */
function shower({ say }, id) {
  let shown = "";
  return (answer) => {
    const told = ["position", "progress", "eta"].filter((name) => answer[name] != null);
    const line = [id, answer.status, ...told.map((name) => `${name} ${answer[name]}`)].join(" ");
    if (line !== shown) say(line);
    shown = line;
  };
}

/** Sends one request to the Action API → {status, retryAfter: seconds or null, answer: the JSON object or {}}. */
async function post(server, body, headers = {}) {
  const response = await fetch(`${root(server)}/api/v2`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.key}`, "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
    redirect: "manual", // the key goes to this server and no other
    signal: AbortSignal.timeout(TIMEOUT_S * 1000),
  });
  const text = await response.text();
  let answer = {};
  try {
    answer = JSON.parse(text) ?? {};
  } catch {
    // a proxy's page: errorText reports its HTTP status
  }
  const retryAfter = response.headers.get("Retry-After") ?? "";
  return { status: response.status, retryAfter: /^[0-9]+$/.test(retryAfter) ? Number(retryAfter) : null, answer };
}

/** Returns the waiting time of a busy server's answer in seconds; ends the script if it is too long. */
function pauseS({ pollS, say }, reply) {
  const text = errorText(reply);
  if (reply.retryAfter > LONGEST_WAIT_S) throw new Stop(1, `${text}, try again in ${reply.retryAfter} s`);
  const waitS = Math.max(reply.retryAfter ?? 0, pollS);
  say(`${text}, waiting ${waitS} s`);
  return waitS;
}

const root = ({ url }) => url.replace(/\/+$/, "");
const errorText = ({ status, answer }) => String(answer.error || `HTTP ${status}`);
const reason = (error) => error.cause?.message || error.cause?.code || error.message;
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// ------------------------------------------------------------------ the command line, not used by browsers

/** Downloads one picture into the folder → its path. Uses only the last part of the server's file name. */
async function save(image, folder, pollS, writeFile) {
  const name = String(image.filename).split(/[/\\]/).at(-1);
  if (!SAFE_NAME.test(name) || !/^https?:\/\//.test(image.url)) {
    throw new Stop(1, `refused to save ${JSON.stringify(name)} from ${image.url}`);
  }
  const path = `${folder.replace(/\/+$/, "")}/${name}`;
  for (let attempt = 1; ; attempt++) {
    try {
      // No Authorization header: the URL is pre-signed, and S3 refuses a request with two signatures.
      const response = await fetch(image.url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_S * 1000) });
      if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
      await writeFile(path, new Uint8Array(await response.arrayBuffer()));
      return path;
    } catch (error) {
      if (attempt === DOWNLOAD_TRIES) throw new Stop(1, `cannot save ${name}: ${reason(error)}`);
    }
    await sleep(pollS);
  }
}

function readArguments(given) {
  const words = [];
  const options = {};
  let folder = ".";
  const rest = given[Symbol.iterator]();
  for (const word of rest) {
    if (word === "--option") {
      const [, name, value] = /^([^=]+)=([^]*)$/.exec(rest.next().value ?? "") ?? [];
      if (!name) throw new Stop(1, "--option needs name=value");
      options[name] = typed(value);
    } else if (word === "--out") {
      folder = rest.next().value;
      if (!folder) throw new Stop(1, "--out needs a folder");
    } else if (word.startsWith("--")) {
      throw new Stop(1, `unknown option ${word}`);
    } else {
      words.push(word); // one "-" begins a negative term, not an option
    }
  }
  return { prompt: words.join(" "), options, folder };
}

/** Parses an option: JSON numbers, true, false and quoted strings keep their type; any other value is a string. */
function typed(value) {
  try {
    return TYPED.test(value) ? JSON.parse(value) : value;
  } catch {
    return value;
  }
}

async function main(process) {
  const say = (text) => process.stderr.write(`imgen: ${text}\n`);
  try {
    const { mkdir, writeFile } = await import("node:fs/promises");
    const { prompt, options, folder } = readArguments(process.argv.slice(2));
    const { IMGEN_URL: url, IMGEN_KEY: key, IMGEN_POLL_S } = process.env;
    const pollS = Number(IMGEN_POLL_S || 3);
    if (!url || !key) throw new Stop(1, "set IMGEN_URL and IMGEN_KEY");
    await mkdir(folder, { recursive: true }).catch((error) => {
      throw new Stop(1, `cannot use ${folder}: ${error.message}`);
    });

    const server = { url, key, pollS, say };
    const job = await begin(server, { ...options, prompt });
    for (const id of job.ids ?? [job.id]) {
      const meta = await finish(server, { ...job, id });
      const files = [];
      for (const kind of ["signed", "thumbnail"]) {
        const image = meta.images.find(({ type }) => type === kind);
        if (!image) throw new Stop(1, "the answer names no pictures");
        files.push(await save(image, folder, pollS, writeFile));
      }
      const { gen_id = null, seed = null, fingerprint = null, watermark_id = null } = meta;
      process.stdout.write(`${JSON.stringify({ id, gen_id, files, seed, fingerprint, watermark_id })}\n`);
    }
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    say(error.message);
    process.exitCode = error.code;
  }
}

if (globalThis.process?.versions?.node) {
  const { existsSync, realpathSync } = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const script = process.argv[1]; // another path if this file was imported
  if (existsSync(script) && pathToFileURL(realpathSync(script)).href === import.meta.url) await main(process);
}
