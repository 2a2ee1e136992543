#!/usr/bin/env node
// Makes pictures of a picture over Studio, the REST API of an Imgen server. No packages; Node 22.18 or later runs it as it is,
// since the types are only stripped.
//
//     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… node generate.ts --image FILE | --from-job ID [--mode M] [--preset P]
//         [--size S] [--aspect A] [--strength X] [--count N] [--seed N] [--out DIR] [PROMPT]
//
// Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 all are saved, 1 error, 2 a job failed,
// 3 a picture was blocked by review, 4 gave up waiting.
//
// In a browser (the server must allow the page's origin) strip the types, import keep and makePictures, and show downloadUrl:
//
//     import { keep, makePictures } from "./generate.js";
//     const imageKey = await keep({ url, key }, input.files[0]);
//     const [job] = await makePictures({ url, key, body: { mode: "avatar", preset: "anime", imageKey } });
//     picture.src = job.downloadUrl;

const POLLS = 120; // of each job
const TRIES = 25; // of a request while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of a request without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 60;
const BLOCKED = "moderation_blocked";

export type Mode = "style" | "avatar" | "product" | "enhance";
export type Status = "queued" | "processing" | "succeeded" | "failed" | "canceled";

/** Body of `POST /api/v1/generate`, with exactly one of the three sources. */
export interface GenerateBody {
  mode: Mode;
  imageBase64?: string;
  imageKey?: string;
  sourceGenerationId?: string;
  prompt?: string;
  preset?: string;
  exportSize?: "base" | "2k" | "4k";
  outputAspect?: "source" | "1:1" | "16:9" | "9:16" | "3:2" | "2:3" | "4:3" | "3:4";
  count?: number;
  strength?: number;
  seed?: number;
}

export interface Quota {
  source: "plan" | "pack";
  scope: "team";
  remaining: number | null;
  charged: boolean;
  remainingAfterQueue: number | null;
  chargedOnSuccess: boolean;
}

/** Job, as a poll answers it. */
export interface Job {
  jobId: string;
  status: Status;
  requestId: string | null;
  progress?: number;
  quota?: Quota;
  error?: { code: string; message: string };
  downloadUrl?: string;
  width?: number;
  height?: number;
  contentType?: string;
}

/** Answer to `POST /api/v1/generate`. */
export interface Accepted {
  jobId: string;
  status: Status;
  statusUrl: string;
  requestId: string;
  quota: Quota;
  rateLimit: { remainingThisMinute: number | null };
  jobs?: { jobId: string; statusUrl: string }[];
  warnings?: string[];
}

export interface Server {
  url: string;
  key: string;
  pollS?: number;
  say?: (text: string) => void;
}

interface Reply {
  status: number;
  retryAfter: number | null;
  answer: any;
}

/** Ends the script with its `code`; in a browser, the error to catch. */
export class Stop extends Error {
  code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** Keeps a source → its imageKey. Throws Stop. */
export async function keep(server: Server, picture: Blob): Promise<string> {
  return (await post(server, "/api/v1/images", picture, "application/octet-stream", "imageKey")).imageKey;
}

/** Starts the jobs → the answer. Throws Stop. */
export async function start(server: Server, body: GenerateBody): Promise<Accepted> {
  return post(server, "/api/v1/generate", JSON.stringify(body), "application/json", "jobId");
}

/** Starts the jobs and waits for them → the ended jobs, in the order of their seeds. Throws Stop if one has no picture. */
export async function makePictures({ body, ...server }: Server & { body: GenerateBody }): Promise<Job[]> {
  const ended = [];
  for (const jobId of idsOf(await start(server, body))) ended.push(await wait(server, jobId));
  return ended;
}

/** Polls a job until its status is final: one request at a time, pollS seconds apart, POLLS times at most. Throws Stop. */
export async function wait(server: Server, jobId: string): Promise<Job> {
  let shown = "";
  let waitS = pollS(server);
  for (let count = 0; count < POLLS; count++) {
    await sleep(waitS);
    waitS = pollS(server);
    let reply: Reply;
    try {
      reply = await call(server, "GET", `/api/v1/jobs/${encodeURIComponent(jobId)}`);
    } catch (error) {
      say(server, `no answer (${reason(error)}), asking again`);
      continue;
    }
    const { status, answer } = reply;
    if (status === 429 || status === 503) {
      waitS = pauseS(server, reply);
    } else if (status >= 500 || (status === 200 && !answer.status)) {
      say(server, `${errorText(reply)}, asking again`);
    } else if (status !== 200) {
      throw new Stop(1, errorText(reply));
    } else if (answer.status === "succeeded") {
      return answer;
    } else if (answer.status === "failed" || answer.status === "canceled") {
      throw new Stop(answer.error?.code === BLOCKED ? 3 : 2, `${jobId} ${answer.error?.message || answer.status}`);
    } else if (answer.status !== shown) {
      shown = answer.status;
      say(server, `${jobId} ${shown}`);
    }
  }
  throw new Stop(4, `gave up after ${POLLS} polls; ${jobId} may still end`);
}

/** Sends a request → its answer, with that field; under one key until it is answered: that makes nothing twice. */
async function post(server: Server, path: string, body: BodyInit, kind: string, wanted: string): Promise<any> {
  const once = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (let attempt = 1, lost = 0; ; attempt++) {
    let reply: Reply;
    try {
      reply = await call(server, "POST", path, body, { "Content-Type": kind, "Idempotency-Key": once });
    } catch (error) {
      if (++lost === LOST_TRIES || attempt === TRIES) throw new Stop(1, `cannot reach ${server.url}: ${reason(error)}`);
      say(server, `no answer (${reason(error)}), asking again`);
      await sleep(pollS(server));
      continue;
    }
    const { status, answer } = reply;
    if ((status === 200 || status === 202) && answer[wanted]) return answer;
    if (!BUSY.includes(status) || attempt === TRIES) throw new Stop(1, errorText(reply));
    await sleep(pauseS(server, reply));
  }
}

/** Sends one request → its status, Retry-After in seconds or null, and the answer's JSON object or {}. */
async function call(
  server: Server,
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(root(server) + path, {
    method,
    headers: { Authorization: `Bearer ${server.key}`, ...headers },
    body,
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
function pauseS(server: Server, reply: Reply): number {
  const text = errorText(reply);
  const askedS = reply.retryAfter ?? 0;
  if (askedS > LONGEST_WAIT_S) throw new Stop(1, `${text}, try again in ${askedS} s`);
  const waitS = Math.max(askedS, pollS(server));
  say(server, `${text}, waiting ${waitS} s`);
  return waitS;
}

/** Returns the answer's code and message, or the HTTP status if a proxy answered. */
function errorText({ status, answer }: Reply): string {
  const { code, message } = (answer.error ?? {}) as { code?: string; message?: string };
  return code ? `${code}: ${message}` : `HTTP ${status}`;
}

const idsOf = ({ jobId, jobs }: Accepted): string[] => jobs?.map((one) => one.jobId) ?? [jobId];
const root = ({ url }: Server): string => url.replace(/\/+$/, "");
const pollS = (server: Server): number => server.pollS ?? 5;
const say = (server: Server, text: string): void => server.say?.(text);
const reason = (error: any): string => error.cause?.message || error.cause?.code || error.message;
const sleep = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

// ------------------------------------------------------------------ the command line, not used by browsers

const FIELDS: Record<string, string> = {
  "--mode": "mode",
  "--from-job": "sourceGenerationId",
  "--preset": "preset",
  "--size": "exportSize",
  "--aspect": "outputAspect",
  "--strength": "strength",
  "--count": "count",
  "--seed": "seed",
};
const NUMBERS: Record<string, RegExp> = {
  "--strength": /^(0|[1-9][0-9]{0,9})(\.[0-9]+)?$/,
  "--count": /^(0|[1-9][0-9]{0,9})$/,
  "--seed": /^(0|[1-9][0-9]{0,9})$/,
};
const ENDINGS: Record<string, string> = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif" };

/** Downloads the picture into the folder, under its job's id → its path. */
async function save(server: Server, job: Job, folder: string): Promise<string> {
  const { writeFile } = await import("node:fs/promises");
  const url = job.downloadUrl ?? "";
  const ending = ENDINGS[job.contentType ?? ""];
  if (!/^[0-9A-Za-z_-]+$/.test(job.jobId) || !/^https?:\/\//.test(url) || !ending)
    throw new Stop(1, `refused to save ${JSON.stringify(job.jobId)} of ${JSON.stringify(url)}`);
  const path = `${folder.replace(/\/+$/, "")}/${job.jobId}.${ending}`;
  for (let attempt = 1; ; attempt++) {
    try {
      // Signed: without the key, which other hosts must not see.
      const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_S * 1000) });
      if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
      await writeFile(path, new Uint8Array(await response.arrayBuffer()));
      return path;
    } catch (error) {
      if (attempt === DOWNLOAD_TRIES) throw new Stop(1, `cannot save ${job.jobId}: ${reason(error)}`);
    }
    await sleep(pollS(server));
  }
}

function readArguments(given: string[]): { body: GenerateBody; image: string; folder: string } {
  const words: string[] = [];
  const body: Record<string, unknown> = { mode: "style" };
  let image = "";
  let folder = ".";
  const rest = given[Symbol.iterator]();
  for (const word of rest) {
    if (word === "--image" || word === "--out" || Object.hasOwn(FIELDS, word)) {
      const value = rest.next().value;
      if (!value) throw new Stop(1, `${word} needs a value`);
      if (NUMBERS[word] && !NUMBERS[word].test(value)) throw new Stop(1, `${word} needs a number`);
      if (word === "--image") image = value;
      else if (word === "--out") folder = value;
      else body[FIELDS[word]] = NUMBERS[word] ? Number(value) : value;
    } else if (word.startsWith("--")) {
      throw new Stop(1, `unknown option ${word}`);
    } else {
      words.push(word);
    }
  }
  if (Boolean(image) === "sourceGenerationId" in body) throw new Stop(1, "one of --image and --from-job is needed");
  if (words.length) body.prompt = words.join(" ");
  return { body: body as unknown as GenerateBody, image, folder };
}

async function main(process: any): Promise<void> {
  const say = (text: string): void => process.stderr.write(`imgen: ${text}\n`);
  try {
    const { mkdir, readFile } = await import("node:fs/promises");
    const { body, image, folder } = readArguments(process.argv.slice(2));
    const { IMGEN_URL: url, IMGEN_KEY: key, IMGEN_POLL_S } = process.env;
    if (!url || !key) throw new Stop(1, "set IMGEN_URL and IMGEN_KEY");
    const cannotUse = (name: string) => (error: Error): never => {
      throw new Stop(1, `cannot use ${name}: ${error.message}`);
    };
    const source = image && (await readFile(image).catch(cannotUse(image)));
    await mkdir(folder, { recursive: true }).catch(cannotUse(folder));

    const server: Server = { url, key, pollS: Number(IMGEN_POLL_S || 5), say };
    if (source) body.imageKey = await keep(server, new Blob([source]));
    const made = await start(server, body);
    for (const warning of made.warnings ?? []) say(`warning: ${warning}`);
    for (const jobId of idsOf(made)) {
      try {
        const job = await wait(server, jobId);
        const { width, height, contentType } = job;
        const file = await save(server, job, folder);
        process.stdout.write(`${JSON.stringify({ jobId, width, height, contentType, file })}\n`);
      } catch (error) {
        if (!(error instanceof Stop) || error.code === 1) throw error;
        say(error.message);
        process.exitCode ||= error.code;
      }
    }
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    say(error.message);
    process.exitCode = error.code;
  }
}

const node = (globalThis as any).process;
if (node?.versions?.node) {
  const { existsSync, realpathSync } = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const script = node.argv[1]; // another path if this file was imported
  if (script && existsSync(script) && pathToFileURL(realpathSync(script)).href === import.meta.url) await main(node);
}
