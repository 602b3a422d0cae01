/** What pods find of their service account, and what its tokens are worth. */
import { createPublicKey, verify } from 'node:crypto';
import { request as requestHttps } from 'node:https';
import { expect } from 'vitest';
import type { TokenReview } from '#pkg/api/types/authentication-v1.ts';
import { serviceAccounts, tokenReviews } from '#pkg/api/types/refs.ts';
import { mounttest, onRealCluster, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster();
const area = '[sig-auth] ServiceAccounts';
const folder = '/var/run/secrets/kubernetes.io/serviceaccount';

async function account(stage: RealStage): Promise<string> {
  const name = stage.name('account');
  await stage.of(serviceAccounts).create({ metadata: { name, namespace: stage.namespace } });
  return name;
}

/** The contents that a container printed, by path. */
function contents(output: string): ReadonlyMap<string, string> {
  const parts = output.split(/^content of (.+?): /m).slice(1);
  return new Map(parts.flatMap((path, at) => (at % 2 === 0 ? [[path, (parts[at + 1] ?? '').trim()] as const] : [])));
}

async function review(stage: RealStage, token: string, audiences?: readonly string[]): Promise<TokenReview['status']> {
  const spec = { token, ...(audiences === undefined ? {} : { audiences }) };
  return (await stage.of(tokenReviews).create({ spec } as TokenReview)).status;
}

behaviour(`${area} should mount an API token into pods`, async (stage) => {
  const serviceAccountName = await account(stage);
  const args = ['token', 'ca.crt', 'namespace'].map((file) => `content:${folder}/${file}`);
  const found = contents(await stage.output({ image: mounttest, args }, { serviceAccountName }));
  expect(found.get(`${folder}/ca.crt`)).toBe(stage.cluster.pki.authority.certificate.trim());
  expect(found.get(`${folder}/namespace`)).toBe(stage.namespace);
  // What a token says of its pod and node.
  const [, claims = ''] = found.get(`${folder}/token`)!.split('.');
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    sub: `system:serviceaccount:${stage.namespace}:${serviceAccountName}`,
    'kubernetes.io': { pod: { name: expect.stringMatching(/^pod-/) }, node: { name: expect.any(String) } },
  });
  const status = await review(stage, found.get(`${folder}/token`)!);
  expect(status).toMatchObject({
    authenticated: true,
    user: {
      username: `system:serviceaccount:${stage.namespace}:${serviceAccountName}`,
      groups: expect.arrayContaining(['system:serviceaccounts', `system:serviceaccounts:${stage.namespace}`]),
    },
  });
});

behaviour(`${area} should mount projected service account token`, async (stage) => {
  const volumes = [{ name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }];
  const volumeMounts = [{ name: 'token', mountPath: '/test-volume' }];
  const args = ['content:/test-volume/token', 'mode:/test-volume/token'];
  const output = await stage.output({ image: mounttest, args, volumeMounts }, { volumes });
  expect(output).toMatch(/content of \/test-volume\/token: [\w-]+\.[\w-]+\.[\w-]+\s/);
  expect(output).toContain('mode of /test-volume/token: 644');
});

behaviour(`${area} should create a serviceAccountToken and ensure a successful TokenReview`, async (stage) => {
  const name = await account(stage);
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['my-audience'] } };
  const made = await stage
    .of(serviceAccounts)
    .createSubresource(name, 'token', body as never, { namespace: stage.namespace });
  const { token } = (made as unknown as { status: { token: string } }).status;
  expect(await review(stage, token, ['my-audience'])).toMatchObject({
    authenticated: true,
    user: { username: `system:serviceaccount:${stage.namespace}:${name}` },
    audiences: ['my-audience'],
  });
});

behaviour(
  `${area} ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer`,
  async (stage) => {
    const serviceAccountName = await account(stage);
    const args = [`content:${folder}/token`, `content:${folder}/ca.crt`];
    const found = contents(await stage.output({ image: mounttest, args }, { serviceAccountName }));
    const [token, ca] = [found.get(`${folder}/token`)!, found.get(`${folder}/ca.crt`)!];
    const get = (url: string): Promise<Record<string, string> & { keys: readonly object[] }> =>
      new Promise((resolve, reject) => {
        const asked = requestHttps(url, { ca, headers: { authorization: `Bearer ${token}` } }, (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () => resolve(JSON.parse(text)));
        });
        asked.on('error', reject);
        asked.end();
      });
    const configuration = await get(`${stage.cluster.server}/.well-known/openid-configuration`);
    const [head = '', claims = '', signature = ''] = token.split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString()).iss).toBe(configuration.issuer);
    const { keys } = await get(configuration.jwks_uri!);
    const key = createPublicKey({ key: keys[0] as never, format: 'jwk' });
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))).toBe(
      true,
    );
  },
);
