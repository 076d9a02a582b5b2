// SPDX-License-Identifier: Apache-2.0
/*
 * How the OAuth library is set up: authorization code with PKCE for public browser clients, exact
 * redirect URIs, state and nonce demanded, a fresh sign-in for each request (no session is kept),
 * JWT access tokens after RFC 9068 for one resource server (or opaque ones, to be introspected),
 * refresh tokens that are good once. Nothing else of what the library can do is switched on.
 */
import Provider, { errors, interactionPolicy } from 'oidc-provider';

const GRANTS = ['authorization_code', 'refresh_token'];

const browserClient = ({ client_id, name, redirect_uris }) => ({
  client_id,
  client_name: name,
  redirect_uris,
  grant_types: GRANTS,
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
});

/* The eP-CSCF: asks about tokens, never gets one. */
const resourceServer = (client_id, client_secret) => ({
  client_id,
  client_secret,
  redirect_uris: [],
  grant_types: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});

/* Each authorization request asks anew who it is: guests and users change at one browser. */
function freshSignIn() {
  const policy = interactionPolicy.base();
  const check = new interactionPolicy.Check('fresh', 'a sign-in is required', ({ oidc }) => !oidc.result?.login);
  policy.get('login').checks.add(check);
  policy.remove('consent'); // Only the operator's own clients are known here.
  return policy;
}

/* "view" tells the page what to show first; its check is also where state and nonce are demanded. */
function checkRequest({ oidc }, view) {
  if (view !== undefined && view !== 'guest') throw new errors.InvalidRequest('view is unknown');
  for (const name of ['state', 'nonce']) {
    if (!/^.{8,512}$/.test(oidc.params[name] ?? '')) throw new errors.InvalidRequest(`${name} of 8 characters or more is required`);
  }
}

async function grantAtOnce({ oidc }, { audience, scope }) {
  if (!oidc.session.accountId) return undefined;
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope('openid');
  grant.addResourceScope(audience, scope);
  await grant.save();
  return grant;
}

/** options: { conf, keys, accounts, pool, store, cookieKey, clientSecret, renderError, say } */
export function makeProvider({ conf, keys, accounts, pool, store, cookieKey, clientSecret, renderError, say }) {
  const { audience, scope, token } = conf;
  const originOf = (uri) => new URL(uri).origin;
  const provider = new Provider(conf.issuer, {
    adapter: store.adapter(),
    clients: [...conf.clients.map(browserClient), resourceServer(conf.resource_server.client_id, clientSecret)],
    jwks: keys.jwks(),
    cookies: { keys: [cookieKey] },
    clientDefaults: { id_token_signed_response_alg: token.alg },
    enabledJWA: { idTokenSigningAlgValues: [token.alg] },
    clientAuthMethods: ['none', 'client_secret_basic'],
    responseTypes: ['code'],
    scopes: ['openid'],
    claims: { openid: ['sub', 'name', 'ims_impus', 'ims_pool'] },
    conformIdTokenClaims: false,
    pkce: { methods: ['S256'], required: () => true },
    extraParams: { view: checkRequest },
    interactions: { policy: freshSignIn(), url: (ctx, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: (ctx) => grantAtOnce(ctx, conf),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    allowOmittingSingleRegisteredRedirectUri: false,
    expiresWithSession: () => false,
    clientBasedCORS: (ctx, origin, client) => client.redirectUris.some((uri) => originOf(uri) === origin),
    ttl: { AccessToken: token.ttl_s, AuthorizationCode: 60, IdToken: token.ttl_s, Interaction: 600, Session: 600, Grant: token.refresh_ttl_s + token.ttl_s, RefreshToken: token.refresh_ttl_s },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      dPoP: { enabled: false },
      revocation: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === conf.resource_server.client_id },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo(ctx, resource) {
          if (resource !== audience) throw new errors.InvalidTarget();
          return { scope, audience, accessTokenTTL: token.ttl_s, accessTokenFormat: token.format, jwt: { sign: { alg: token.alg, kid: keys.jwks().keys[0].kid } } };
        },
      },
    },
    findAccount(ctx, id) {
      const identity = accounts.identity(id);
      if (!identity) return undefined;
      const { name, impus } = identity;
      return { accountId: id, claims: () => ({ sub: id, name, ims_impus: impus, ims_pool: identity.pool }) };
    },
    extraTokenClaims(ctx, { accountId }) {
      const identity = accounts.identity(accountId);
      if (!identity) throw new errors.InvalidGrant('the account is no more');
      if (identity.lease) pool.extend(identity.lease, pool.now() + token.ttl_s);
      return { ims_impi: identity.impi, ims_impus: identity.impus, ims_pool: identity.pool };
    },
    renderError,
  });
  provider.on('server_error', (ctx, error) => say('error', 'waf.server_error', { path: ctx.path, error: error.message }));
  return provider;
}
