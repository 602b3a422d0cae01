/** Posts bodies to the server that a kubeconfig names. Source: apiserver `util/webhook` `LoadKubeconfig`, with a timeout of 30 s. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { networkTransport } from '#pkg/client/network-transport.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { readKubeconfig } from '../kubeconfig.ts';

/** Source: apiserver `util/webhook` `LoadKubeconfig`. */
const timeoutMs = 30_000;

/** Throws `UserError` for a kubeconfig that names no server. What it posts is JSON; it rejects for an answer that is no success. */
export async function webhookPost(file: string): Promise<(body: string, signal: AbortSignal) => Promise<void>> {
  const config = await configOf(file);
  if (config === undefined)
    throw new UserError(`Cannot read the file of --audit-webhook-config-file: ${file} (ENOENT)`);
  const context = entryOf(config.contexts, config['current-context'], 'context');
  const cluster = entryOf(config.clusters, context.cluster, 'cluster');
  const user = entryOf(config.users, context.user, 'user');
  const { server } = cluster;
  if (typeof server !== 'string' || !/^https?:\/\//.test(server) || !URL.canParse(server))
    throw new UserError(
      `Cannot use the file of --audit-webhook-config-file: ${file}: its current context names no http(s) server`,
    );
  const pem = async (from: Fields, field: string): Promise<string | undefined> => {
    const data = from[`${field}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString();
    const named = from[field];
    return typeof named === 'string' ? readFile(resolve(dirname(file), named), 'utf8') : undefined;
  };
  const [ca, cert, key] = await Promise.all([
    pem(cluster, 'certificate-authority'),
    pem(user, 'client-certificate'),
    pem(user, 'client-key'),
  ]);
  const path = new URL(server).pathname === '/' ? '/' : '';
  const transport = networkTransport({
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(typeof user.token === 'string' ? { token: user.token } : {}),
    ...(cluster['insecure-skip-tls-verify'] === true ? { insecure: true } : {}),
    ...(typeof cluster['tls-server-name'] === 'string' ? { tlsServerName: cluster['tls-server-name'] } : {}),
  });
  return async (body, signal) => {
    const answer = await transport.request({
      method: 'POST',
      path,
      query: '',
      headers: { 'content-type': 'application/json', 'user-agent': 'kube-apiserver' },
      body: { kind: 'bytes', bytes: Buffer.from(body) },
      peer: { address: '' },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (answer.status >= 300) throw new Error(`the audit webhook answered ${answer.status}`);
  };
}

async function configOf(file: string): ReturnType<typeof readKubeconfig> {
  try {
    return await readKubeconfig(file);
  } catch (error) {
    throw new UserError(`Cannot use the file of --audit-webhook-config-file: ${file} is no kubeconfig`, error);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function entryOf(list: unknown, name: unknown, kind: string): Fields {
  const found = Array.isArray(list) ? list.find((one) => isObject(one) && one.name === name) : undefined;
  const entry = isObject(found) ? found[kind] : undefined;
  return isObject(entry) ? entry : {};
}
