/** Two applications of the stand-in for agnhost: a guestbook of a primary, replicas and a frontend, and a check of a service account's token against its issuer. */
import { createPublicKey, type JsonWebKeyInput, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#pkg/base/error-text.ts';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { type Said, serveOn } from './agnhost-network.ts';

type Flags = ReadonlyMap<string, string>;

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Serves as a primary, as one of its replicas with `--replicaof`, and as the frontend of both. */
export function serveGuestbook(context: ProgramContext, flags: Flags): void {
  const port = Number(flags.get('http-port') ?? 80);
  const backendPort = flags.get('backend-port') ?? '6379';
  const values = new Map<string, string>();
  const replicas = new Set<string>();
  const say = (value: object): Said => ({ status: 200, body: JSON.stringify(value) });
  const ask = async (url: string): Promise<Said> => {
    const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
    return { status: answer.status, body: await answer.text() };
  };
  serveOn(context, port, async ({ url }) => {
    const value = (name: string): string => url.searchParams.get(name) ?? '';
    switch (url.pathname) {
      case '/register':
        replicas.add(value('host'));
        return say(Object.fromEntries(values));
      case '/get':
        return say({ data: value('key') === '' ? Object.fromEntries(values) : (values.get(value('key')) ?? '') });
      case '/set':
        values.set(value('key'), value('value'));
        await Promise.all([...replicas].map((host) => ask(`http://${host}/set${url.search}`)));
        return say({ message: 'Updated' });
      case '/guestbook': {
        const isSet = value('cmd') === 'set';
        const host = isSet ? 'agnhost-primary' : 'agnhost-replica';
        return ask(`http://${host}:${backendPort}/${isSet ? 'set' : 'get'}${url.search}`);
      }
      default:
        return { status: 404, body: '404 page not found\n' };
    }
  });
  const primary = flags.get('replicaof');
  if (primary !== undefined) void register();

  async function register(): Promise<void> {
    while (!context.signal.aborted) {
      try {
        const answer = await ask(`http://${primary}:${backendPort}/register?host=${context.ip}:${port}`);
        for (const [key, value] of Object.entries(JSON.parse(answer.body) as Record<string, string>))
          values.set(key, value);
        return;
      } catch (error) {
        context.error(`cannot register with ${primary}: ${errorText(error)}`);
        await delay(1_000);
      }
    }
  }
}

type Key = JsonWebKeyInput['key'] & { readonly kid?: string };

interface Claims {
  readonly iss: string;
  readonly aud: readonly string[];
  readonly exp: number;
}

/** Checks the token in a file as any program would that knows no more than its issuer's address. Resolves with the exit code. */
export async function checkToken(context: ProgramContext, flags: Flags): Promise<number> {
  const read = (path: string): string => readFileSync(context.resolve(path), 'utf8');
  const token = read(flags.get('token-path') ?? '');
  context.log('OK: Got token');
  const [head = '', body = '', signature = ''] = token.split('.');
  const { kid, alg } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string; alg: string };
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims;
  context.log(`OK: got issuer ${claims.iss}`);
  const ask = (url: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${read(`${accountFolder}/token`)}`, connection: 'close' };
      get(url, { ca: read(`${accountFolder}/ca.crt`), headers }, (answer) => {
        if (answer.statusCode === 200) json(answer).then(resolve, reject);
        else reject(new Error(`${url} answered ${answer.statusCode}`));
      }).on('error', reject);
    });
  try {
    const issuer = (await ask(`${claims.iss}/.well-known/openid-configuration`)) as {
      issuer: string;
      jwks_uri: string;
    };
    if (issuer.issuer !== claims.iss) throw new Error(`the issuer is ${issuer.issuer}`);
    context.log(`OK: Constructed OIDC provider for issuer ${claims.iss}`);
    const { keys } = (await ask(issuer.jwks_uri)) as { keys: readonly Key[] };
    const key = keys.find((one) => one.kid === kid);
    if (key === undefined) throw new Error(`there is no key ${kid}`);
    const publicKey = createPublicKey({ key, format: 'jwk' });
    const isGood = verify(
      'sha256',
      Buffer.from(`${head}.${body}`),
      alg === 'ES256' ? { key: publicKey, dsaEncoding: 'ieee-p1363' } : publicKey,
      Buffer.from(signature, 'base64url'),
    );
    if (!isGood) throw new Error('the signature is wrong');
    if (!claims.aud.includes(flags.get('audience') ?? '')) throw new Error(`the audience is ${claims.aud.join(', ')}`);
    if (claims.exp * 1000 < context.clock.nowMs()) throw new Error('the token has expired');
  } catch (error) {
    context.error(errorText(error));
    return 1;
  }
  context.log('OK: Validated signature on JWT');
  return 0;
}
