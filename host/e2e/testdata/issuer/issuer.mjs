// An OpenID Connect issuer for tests: oidc-provider with one client per
// principal, access tokens as JWTs, and keys that POST /rotate replaces. It
// prints its address.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import Provider from 'oidc-provider';

const kinds = { RS256: ['rsa', { modulusLength: 2048 }], PS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }] };

const makeKeys = () => Object.entries(kinds).map(([alg, [type, options]]) =>
  ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${randomUUID()}` }));

// What the clients stand for.
const claims = {
  ann: { department: 'core', groups: ['dev', 'platform'], mfa: true },
  bob: { department: 'lost', groups: ['dev'], mfa: true },
  eve: { department: 'core', groups: ['dev'], mfa: false },
};

function provider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: Object.keys(claims).map((id) => ({ client_id: id, client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] })),
    extraTokenClaims: (ctx, token) => claims[token.clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // urn:<audience>:<alg>:<seconds>
        getResourceServerInfo: (ctx, resource) => {
          const [, audience, alg, ttl] = resource.split(':');
          return { scope: '', audience, accessTokenTTL: Number(ttl), accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
        },
      },
    },
  });
}

let current;
const server = createServer((req, res) => {
  if (req.method === 'POST' && req.url === '/rotate') {
    current = provider(issuer, makeKeys()).callback();
    res.end('rotated\n');
    return;
  }
  current(req, res);
});
let issuer;
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  current = provider(issuer, makeKeys()).callback();
  console.log(`issuer ${issuer}`);
});
process.stdin.resume().on('end', () => process.exit(0)); // ends with whoever started it
