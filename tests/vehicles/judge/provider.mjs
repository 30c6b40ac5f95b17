// An OpenID-certified authorisation server that nobody here wrote, as judge of our OAuth client.
// Arguments: port, redirect URI. Prints "ready" once it listens; /judge/counts says what the token endpoint was asked.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "chargescape",
      client_secret: "a-secret-of-forty-letters-for-the-judge-1",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token", "client_credentials", DEVICE],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
    },
    {
      client_id: "chargescape-public",
      redirect_uris: [],
      response_types: [],
      grant_types: ["refresh_token", DEVICE],
      token_endpoint_auth_method: "none",
    },
  ],
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", "vehicle.state", "vehicle.location", "vehicle.actions"],
  features: {
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
  },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  clockTolerance: 0,
  ttl: {
    AccessToken: 3,
    ClientCredentials: 60,
    AuthorizationCode: 60,
    RefreshToken: 600,
    DeviceCode: 600,
    Grant: 600,
    Session: 600,
    Interaction: 600,
    IdToken: 60,
  },
  cookies: { keys: ["judge"] },
});
const counts = {};
const count = (what) => {
  counts[what] = (counts[what] ?? 0) + 1;
};
provider.on("grant.success", (ctx) => count(ctx.oidc.params.grant_type));
provider.on("grant.error", (_ctx, error) => count(error.message));
const answer = provider.callback();
createServer((request, response) => {
  if (request.url === "/judge/counts") response.end(JSON.stringify(counts));
  else answer(request, response);
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
