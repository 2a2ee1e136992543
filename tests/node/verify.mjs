// Verifies a webhook with npm's standardwebhooks: {secret, body, headers} on stdin, the event or the error's name on stdout.
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const { secret, body, headers } = JSON.parse(await text(process.stdin));
try {
  console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
} catch (error) {
  console.log(error.name, error.message);
}
