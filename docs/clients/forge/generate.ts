#!/usr/bin/env node
// Makes a picture over Forge, the REST API of an Imgen server. No packages; Node 22.18 or later runs it as it is, since the
// types are only stripped.
//
//     IMGEN_URL=https://imgen.example IMGEN_KEY=imgf_… node generate.ts [--tier T] [--ratio R] [--model M] [--seed N] [--sync]
//         [--from-job ID] [--out DIR] PROMPT
//
// Progress goes to stderr; the picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 2 the job failed,
// 3 the picture was blocked by review, 4 gave up waiting. Without IMGEN_KEY the caller is anonymous.
//
// In a browser (the server must allow the page's origin) strip the types, import makePicture and show asset_url yourself:
//
//     import { makePicture } from "./generate.js";
//     const job = await makePicture({ url, key, body: { prompt: "a red coat", quality_tier: "draft" }, say: console.log });
//     picture.src = url + job.asset_url;

const POLLS = 120;
const TRIES = 25; // of the request while the server is busy; it forgets a request that its process lost after a minute
const LOST_TRIES = 3; // of the request without an answer
const BUSY = [409, 429, 503]; // 409: an earlier try is still being answered
const LONGEST_WAIT_S = 300; // a longer Retry-After (a spent quota, for example) ends the script
const DOWNLOAD_TRIES = 3;
const TIMEOUT_S = 30;
const SYNC_TIMEOUT_S = 90; // the server waits 55 s for the picture
const BLOCKED = "Content blocked";
const ASSET = /^\/v2\/assets\/([0-9a-f]{64})$/;

export type Tier = "draft" | "standard" | "premium" | "ultra" | "ultra_plus";
export type Ratio = "1:1" | "16:9" | "9:16" | "4:3" | "3:4" | "3:2" | "2:3";

/** Body of `POST /v2/generate`. */
export interface GenerateBody {
  prompt: string;
  negative_prompt?: string;
  quality_tier?: Tier;
  aspect_ratio?: Ratio;
  model?: string;
  seed?: number;
  sync?: boolean;
  input_job_id?: string;
  input_asset_url?: string;
  input_strength?: number;
  mask_image?: string;
}

/** Job, as Forge answers it. */
export interface Job {
  job_id: string;
  state: "queued" | "processing" | "completed" | "failed";
  original_prompt: string;
  final_prompt: string;
  enhancement_logic: string | null;
  quality_tier: Tier | null;
  model: string;
  seed: number | null;
  asset_url: string | null;
  error: string | null;
  created_at: string;
  completed_at: string | null;
}

export interface Server {
  url: string;
  /** Left out: an anonymous caller. */
  key?: string;
  pollS?: number;
  say?: (text: string) => void;
}

interface Reply {
  status: number;
  retryAfter: number | null;
  answer: Partial<Job> & { error?: unknown };
}

/** Ends the script with its `code`; in a browser, the error to catch. */
export class Stop extends Error {
  code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** Starts a job and waits for it → the completed job. Throws Stop. */
export async function makePicture({ body, ...server }: Server & { body: GenerateBody }): Promise<Job> {
  let job = await submit(server, body);
  if (!isFinal(job)) job = await poll(server, job.job_id);
  if (job.state === "completed") return job;
  const reason = job.error || job.state;
  throw new Stop(reason.startsWith(BLOCKED) ? 3 : 2, reason);
}

/** Sends the request → the job; again under the same key if its answer is lost or the server is busy: that makes no second job. */
async function submit(server: Server, body: GenerateBody): Promise<Job> {
  const once = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (let attempt = 1, lost = 0; ; attempt++) {
    let reply: Reply;
    try {
      reply = await call(server, "POST", "/v2/generate", body, { "Idempotency-Key": once });
    } catch (error) {
      if (++lost === LOST_TRIES || attempt === TRIES) throw new Stop(1, `cannot reach ${server.url}: ${reason(error)}`);
      say(server, `no answer (${reason(error)}), asking again`);
      await sleep(pollS(server));
      continue;
    }
    const { status, answer } = reply;
    if ((status === 201 || status === 202) && answer.job_id && answer.state) return answer as Job;
    if (!BUSY.includes(status) || attempt === TRIES) throw new Stop(1, errorText(reply));
    await sleep(pauseS(server, reply));
  }
}

/** Polls a job until its state is final: one request at a time, pollS seconds apart, POLLS times at most. */
async function poll(server: Server, jobId: string): Promise<Job> {
  let shown = "";
  let waitS = pollS(server);
  for (let count = 0; count < POLLS; count++) {
    await sleep(waitS);
    waitS = pollS(server);
    let reply: Reply;
    try {
      reply = await call(server, "GET", `/v2/jobs/${encodeURIComponent(jobId)}`);
    } catch (error) {
      say(server, `no answer (${reason(error)}), asking again`);
      continue;
    }
    const { status, answer } = reply;
    if (status === 429 || status === 503) {
      waitS = pauseS(server, reply);
    } else if (status >= 500 || (status === 200 && !answer.state)) {
      say(server, `${errorText(reply)}, asking again`);
    } else if (status !== 200) {
      throw new Stop(1, errorText(reply));
    } else if (isFinal(answer as Job)) {
      return answer as Job;
    } else if (answer.state !== shown) {
      shown = answer.state as string;
      say(server, `${jobId} ${shown}`);
    }
  }
  throw new Stop(4, `gave up after ${POLLS} polls; ${jobId} may still end`);
}

/** Sends one request → its status, Retry-After in seconds or null, and the answer's JSON object or {}. */
async function call(
  server: Server,
  method: string,
  path: string,
  body?: GenerateBody,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(root(server) + path, {
    method,
    headers: { ...credentials(server), ...(body && { "Content-Type": "application/json" }), ...headers },
    body: body && JSON.stringify(body),
    redirect: "manual", // the key goes to this server and no other
    signal: AbortSignal.timeout((body?.sync ? SYNC_TIMEOUT_S : TIMEOUT_S) * 1000),
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

const isFinal = ({ state }: Job): boolean => state === "completed" || state === "failed";
const root = ({ url }: Server): string => url.replace(/\/+$/, "");
const pollS = (server: Server): number => server.pollS ?? 3;
const say = (server: Server, text: string): void => server.say?.(text);
const credentials = ({ key }: Server): Record<string, string> => (key ? { "X-API-Key": key } : {});
const reason = (error: any): string => error.cause?.message || error.cause?.code || error.message;
const sleep = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

// ------------------------------------------------------------------ the command line, not used by browsers

const FIELDS: Record<string, string> = {
  "--tier": "quality_tier",
  "--ratio": "aspect_ratio",
  "--model": "model",
  "--seed": "seed",
  "--from-job": "input_job_id",
};

/** Downloads the picture into the folder, under its digest → its path. Bytes of another digest are not kept. */
async function save(server: Server, job: Job, folder: string): Promise<string> {
  const { writeFile } = await import("node:fs/promises");
  const { createHash } = await import("node:crypto");
  const digest = ASSET.exec(job.asset_url ?? "")?.[1];
  if (!digest) throw new Stop(1, `refused to save ${JSON.stringify(job.asset_url)}`);
  const path = `${folder.replace(/\/+$/, "")}/${digest}.png`;
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(root(server) + job.asset_url, {
        headers: credentials(server), // assets may be private
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_S * 1000),
      });
      if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
      const data = new Uint8Array(await response.arrayBuffer());
      if (createHash("sha256").update(data).digest("hex") !== digest) throw new Error("the bytes have another digest");
      await writeFile(path, data);
      return path;
    } catch (error) {
      if (attempt === DOWNLOAD_TRIES) throw new Stop(1, `cannot save ${job.asset_url}: ${reason(error)}`);
    }
    await sleep(pollS(server));
  }
}

function readArguments(given: string[]): { body: GenerateBody; folder: string } {
  const words: string[] = [];
  const body: Record<string, unknown> = {};
  let folder = ".";
  const rest = given[Symbol.iterator]();
  for (const word of rest) {
    if (word === "--sync") {
      body.sync = true;
    } else if (word === "--out" || Object.hasOwn(FIELDS, word)) {
      const value = rest.next().value;
      if (!value) throw new Stop(1, `${word} needs a value`);
      if (word === "--seed" && !/^(0|[1-9][0-9]{0,9})$/.test(value)) throw new Stop(1, "--seed needs a whole number");
      if (word === "--out") folder = value;
      else body[FIELDS[word]] = word === "--seed" ? Number(value) : value;
    } else if (word.startsWith("--")) {
      throw new Stop(1, `unknown option ${word}`);
    } else {
      words.push(word);
    }
  }
  return { body: { ...body, prompt: words.join(" ") }, folder };
}

async function main(process: any): Promise<void> {
  const say = (text: string): void => process.stderr.write(`imgen: ${text}\n`);
  try {
    const { mkdir } = await import("node:fs/promises");
    const { body, folder } = readArguments(process.argv.slice(2));
    const { IMGEN_URL: url, IMGEN_KEY: key, IMGEN_POLL_S } = process.env;
    if (!url) throw new Stop(1, "set IMGEN_URL, and IMGEN_KEY unless the server takes anonymous callers");
    await mkdir(folder, { recursive: true }).catch((error: Error) => {
      throw new Stop(1, `cannot use ${folder}: ${error.message}`);
    });

    const server: Server = { url, key, pollS: Number(IMGEN_POLL_S || 3), say };
    const job = await makePicture({ ...server, body });
    const file = await save(server, job, folder);
    const { job_id, asset_url, seed, model, quality_tier } = job;
    process.stdout.write(`${JSON.stringify({ job_id, file, asset_url, seed, model, quality_tier })}\n`);
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
