/** What a kubeconfig says of the server of its current context and of who asks it. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { readKubeconfig } from './kubeconfig.ts';

type Entry = Readonly<Record<string, unknown>>;

/** What the current context of a kubeconfig says: PEM, not files. */
interface KubeconfigConnection {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  readonly insecure?: true;
}

/** Reads the kubeconfig at `path`, `anonymous` without the credentials. Throws `UserError` where there is none, or it names no server. */
export async function readConnection(path: string, anonymous = false): Promise<KubeconfigConnection> {
  const config = await readKubeconfig(path);
  if (config === undefined) throw new UserError(`Cannot read the kubeconfig ${path} as it does not exist`);
  const context = part(config.contexts, config['current-context'], 'context');
  const cluster = part(config.clusters, context?.cluster, 'cluster');
  const user = anonymous ? undefined : part(config.users, context?.user, 'user');
  const { server } = cluster ?? {};
  if (typeof server !== 'string')
    throw new UserError(`Cannot use the kubeconfig ${path} as its current context names no server`);
  const pem = async (from: Entry | undefined, field: string): Promise<string | undefined> => {
    const data = from?.[`${field}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    const file = from?.[field];
    return typeof file === 'string' ? readFile(resolve(dirname(path), file), 'utf8') : undefined;
  };
  const ca = await pem(cluster, 'certificate-authority');
  const cert = await pem(user, 'client-certificate');
  const key = await pem(user, 'client-key');
  const token = typeof user?.token === 'string' ? user.token : undefined;
  return {
    server,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(token === undefined ? {} : { token }),
    ...(cluster?.['insecure-skip-tls-verify'] === true ? { insecure: true } : {}),
  };
}

function part(list: unknown, name: unknown, kind: string): Entry | undefined {
  const found: unknown = Array.isArray(list) ? list.find((one) => isObject(one) && one.name === name) : undefined;
  const entry = isObject(found) ? found[kind] : undefined;
  return isObject(entry) ? entry : undefined;
}
