// Goes an agent's way with the TypeScript SDK: {url, key} on stdin; what it was told and answered on stdout, as JSON.
import { text } from "node:stream/consumers";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, key } = JSON.parse(await text(process.stdin));
const sent = [];
const transport = new StreamableHTTPClientTransport(new URL(url), {
  requestInit: { headers: { Authorization: `Bearer ${key}` } },
  fetch: (...request) => {
    const answer = fetch(...request);
    sent.push(answer.catch(() => {}));
    return answer;
  },
});
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const progress = [];
const call = { name: "generate_image", arguments: { prompt: "a red coat on the beach" } };
const options = { onprogress: (told) => progress.push(told), timeout: 120_000 };
const drawn = await client.callTool(call, undefined, options);
const wrong = await client.callTool({ name: "generate_image", arguments: { prompt: "" } });
const abort = new AbortController();
const given = client.callTool(call, undefined, { ...options, onprogress: () => abort.abort(), signal: abort.signal });
const error = await given.then(() => "", (reason) => String(reason));
await Promise.all(sent); // closing would break the notification off
await client.close();
const { content, structuredContent, isError } = drawn;
console.log(
  JSON.stringify({
    version: transport.protocolVersion,
    tools: tools.map((tool) => tool.name),
    progress,
    content: content.map((part) => part.type),
    structuredContent,
    isError,
    wrong,
    error,
  }),
);
