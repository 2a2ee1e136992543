// Agent with the TypeScript SDK that is given the address of a server and nothing else, as its argument. Each step is a line of JSON: the
// page that a person is to open, the first progress, and at the end how it went.
import { once } from "node:events";
import { createServer } from "node:http";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const url = new URL(process.argv[2]);
const tell = (step) => console.log(JSON.stringify(step));

const callback = createServer().listen(0, "127.0.0.1");
await once(callback, "listening");
const redirect = `http://127.0.0.1:${callback.address().port}/callback`;
const answered = new Promise((resolve) => {
  callback.on("request", (request, response) => {
    response.end("Connected");
    const target = new URL(request.url, redirect);
    if (target.pathname === "/callback") resolve(target.searchParams);
  });
});

const kept = { state: crypto.randomUUID() };
const provider = {
  redirectUrl: redirect,
  clientMetadata: { client_name: "Kite of TypeScript", redirect_uris: [redirect], token_endpoint_auth_method: "none" },
  state: () => kept.state,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (discovery) => void (kept.discovery = discovery),
  redirectToAuthorization: (address) => tell({ open: String(address) }),
};
const make = () => [
  new Client({ name: "test", version: "1" }),
  new StreamableHTTPClientTransport(url, { authProvider: provider }),
];

const [stranger, first] = make();
const refused = await stranger.connect(first).then(() => null, (error) => error);
if (!(refused instanceof UnauthorizedError)) throw refused ?? new Error("no token was wanted");
const told = await answered;
if (told.get("state") !== kept.state) throw new Error("another state came back");
if (told.get("iss") !== kept.discovery.authorizationServerMetadata.issuer) throw new Error("another issuer answers");
await first.finishAuth(told.get("code"));

const [client, transport] = make();
await client.connect(transport);
await client.listTools();
const shares = [];
const onprogress = ({ progress }) => {
  shares.push(progress);
  if (shares.length === 1) tell({ progress });
};
const call = { name: "generate_image", arguments: { prompt: "a red coat on the beach" } };
const drawn = await client.callTool(call, undefined, { onprogress, timeout: 240_000 });
const before = kept.tokens;
kept.tokens = { ...before, access_token: "expired" };
const listed = await client.callTool({ name: "list_models", arguments: {} });
await client.close();

const { access_token, refresh_token } = kept.tokens;
const headers = {
  Authorization: `Bearer ${access_token}`,
  Accept: "application/json, text/event-stream",
  "Content-Type": "application/json",
};
const ping = { method: "POST", headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }) };
const body = new URLSearchParams({ token: refresh_token, client_id: kept.client.client_id });
const statuses = [];
for (const [address, request] of [
  [url, ping],
  [kept.discovery.authorizationServerMetadata.revocation_endpoint, { method: "POST", body }],
  [url, ping],
]) {
  const answer = await fetch(address, request);
  await answer.arrayBuffer();
  statuses.push(answer.status);
}
callback.close();
callback.closeAllConnections();
tell({
  shares,
  content: drawn.content.map((part) => part.type),
  job: drawn.structuredContent,
  failed: Boolean(drawn.isError || listed.isError),
  scope: before.scope,
  refreshed: access_token !== before.access_token && refresh_token !== before.refresh_token,
  statuses,
});
