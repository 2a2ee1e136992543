#!/usr/bin/env node
// Makes pictures, or edits one, over the OpenAI images API of an Imgen server, by the unmodified `openai` package of npm (Node 22 or later).
//
//     npm install openai
//     IMGEN_URL=https://imgen.example IMGEN_KEY=imgen_… node generate.mjs [--model M] [--size WxH] [--quality Q] [--format F] [--n N]
//         [--seed N] [--strength X] [--image FILE …] [--mask FILE] [--stream] [--out DIR] PROMPT
//
// Progress goes to stderr; each picture is one line of JSON on stdout. Exit codes: 0 saved, 1 error, 3 the review blocked all.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import OpenAI, { APIError, toFile } from "openai";

const BLOCKED = "moderation_blocked";
const PARTIALS = 2; // earlier looks at the picture that --stream asks for
const text = { type: "string" };
const options = {
  model: text, size: text, quality: text, format: { ...text, default: "png" }, n: text, seed: text, strength: text,
  image: { ...text, multiple: true, default: [] }, mask: text, stream: { type: "boolean", default: false }, out: { ...text, default: "." },
};

/** Writes to stderr: stdout is for the result alone. */
const say = (words) => console.error(`imgen: ${words}`);

/** Writes a picture under its digest and prints its line. */
async function save(base64, format, folder, more) {
  const data = Buffer.from(base64, "base64");
  const file = join(folder, `${createHash("sha256").update(data).digest("hex")}.${format}`);
  await writeFile(file, data);
  console.log(JSON.stringify({ file, ...more }));
}

/** Sends the request: a generation, or an edit if there are source pictures. Returns the package's answer or stream. */
async function request(client, asked, prompt) {
  const body = { prompt, output_format: asked.format };
  for (const name of ["model", "size", "quality"]) if (asked[name] !== undefined) body[name] = asked[name];
  // seed and strength are fields of Imgen that the package does not know: it sends them all the same.
  for (const name of ["n", "seed", "strength"]) if (asked[name] !== undefined) body[name] = Number(asked[name]);
  if (asked.stream) Object.assign(body, { stream: true, partial_images: PARTIALS });
  if (asked.image.length === 0) return client.images.generate(body);
  const open = (path) => toFile(createReadStream(path), path.split("/").pop());
  body.image = await Promise.all(asked.image.map(open));
  if (asked.mask !== undefined) body.mask = await open(asked.mask);
  return client.images.edit(body);
}

/** Runs the script: arguments, request, files. Returns the exit code. */
async function main() {
  const { values: asked, positionals } = parseArgs({ options, allowPositionals: true });
  const url = (process.env.IMGEN_URL ?? "").replace(/\/+$/, "");
  const key = process.env.IMGEN_KEY ?? "";
  if (!url || !key || positionals.length === 0) {
    say("set IMGEN_URL and IMGEN_KEY, and give a prompt");
    return 1;
  }
  // The package sends a request again whose answer is lost; the server knows it by its header and makes no second picture.
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
  await mkdir(asked.out, { recursive: true });
  const answer = await request(client, asked, positionals.join(" "));
  let number = 0;
  if (!asked.stream) {
    for (const picture of answer.data) await save(picture.b64_json, answer.output_format, asked.out, { number: number++, size: answer.size });
    return 0;
  }
  for await (const event of answer) {
    if (event.type.endsWith(".partial_image")) say(`partial picture ${event.partial_image_index}, ${event.size}`);
    else if (event.type.endsWith(".completed")) await save(event.b64_json, event.output_format, asked.out, { number: number++, size: event.size });
  }
  return number > 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isAnswer = error instanceof APIError;
  say(isAnswer ? `${error.code ?? error.constructor.name}: ${error.message}` : error.message);
  process.exitCode = isAnswer && error.code === BLOCKED ? 3 : 1;
}
