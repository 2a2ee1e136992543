// Uses npm's openai against a server: {url, key, oneKey, slowKey, sources, mask} on stdin, pictures in base64; all outcomes as JSON on stdout.
import { text } from "node:stream/consumers";
import OpenAI, { toFile } from "openai";

const { url, key, oneKey, slowKey, sources, mask } = JSON.parse(await text(process.stdin));
const prompt = "a red coat on the beach";
const open = (base64, name) => toFile(Buffer.from(base64, "base64"), name);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });

/** A client that counts its tries, and waits a millisecond where it is asked to wait. */
function counting(apiKey) {
  const seen = { tries: 0 };
  const counted = async (...request) => {
    seen.tries += 1;
    const answer = await fetch(...request);
    if (!answer.headers.has("retry-after")) return answer;
    const headers = new Headers(answer.headers);
    headers.set("retry-after-ms", "1");
    return new Response(answer.body, { status: answer.status, headers });
  };
  return [new OpenAI({ baseURL: `${url}/v1`, apiKey, fetch: counted }), seen];
}

/** The error of a request: its class, and what the class tells. */
async function failure(apiKey, body) {
  const [counted, seen] = counting(apiKey);
  try {
    await counted.images.generate({ prompt, ...body });
    return { name: "none", tries: seen.tries };
  } catch (error) {
    const { status, code, param, requestID } = error;
    return { name: error.constructor.name, status, code, param, hasRequest: Boolean(requestID), tries: seen.tries };
  }
}

/** The events of a stream. */
async function events(stream) {
  const seen = [];
  for await (const { type, b64_json, size, output_format, usage } of stream) seen.push({ type, b64_json, size, output_format, usage });
  return seen;
}

const images = await Promise.all(sources.map((source, number) => open(source, `${number}.png`)));
const outcomes = {
  generated: await client.images.generate({ prompt, model: "gpt-image-1", size: "1024x1024", output_format: "webp" }),
  several: await client.images.generate({ prompt, n: 4, seed: 7 }),
  url: await client.images.generate({ prompt, response_format: "url" }),
  one: await client.images.edit({ prompt, image: images[0], mask: await open(mask, "mask.png"), strength: 1 }),
  three: await client.images.edit({ prompt, image: images }),
  variations: await client.images.createVariation({ image: images[0], n: 2 }),
  streamed: await events(await client.images.generate({ prompt, stream: true, partial_images: 2, output_format: "jpeg" })),
  streamedEdit: await events(await client.images.edit({ prompt, image: images[0], stream: true })),
  models: (await Array.fromAsync(client.models.list())).map(({ id }) => id),
  model: (await client.models.retrieve("eros")).id,
};
await new OpenAI({ baseURL: `${url}/v1`, apiKey: oneKey }).images.generate({ prompt });
const slow = new OpenAI({ baseURL: `${url}/v1`, apiKey: slowKey });
await slow.models.list();
await slow.models.list();
const failures = {
  rate: await failure(slowKey, {}), // within the minute of the two above
  key: await failure("imgen_unknown", {}),
  model: await failure(key, { model: "nobody/has-this" }),
  blocked: await failure(key, { prompt: "nude marble statue of a woman" }),
  value: await failure(key, { n: 11 }),
  quota: await failure(oneKey, {}),
};
console.log(JSON.stringify({ outcomes, failures }));
