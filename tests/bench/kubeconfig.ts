/** The server that a kubeconfig's current context points at, and who to be there. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { load } from 'js-yaml';

/** Where the server is, and with what to be let in. */
export interface Target {
  readonly url: URL;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads the current context of a kubeconfig file. */
export function readTarget(file: string): Target {
  const config = load(readFileSync(file, 'utf8')) as Fields;
  const context = named(config, 'contexts', String(config['current-context']))['context'] as Fields;
  const cluster = named(config, 'clusters', String(context['cluster']))['cluster'] as Fields;
  const user = named(config, 'users', String(context['user']))['user'] as Fields;
  const pem = (fields: Fields, name: string): string | undefined => {
    const data = fields[`${name}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString();
    const path = fields[name];
    return typeof path === 'string' ? readFileSync(resolve(dirname(file), path), 'utf8') : undefined;
  };
  const [ca, cert, key] = [
    pem(cluster, 'certificate-authority'),
    pem(user, 'client-certificate'),
    pem(user, 'client-key'),
  ];
  const token = user['token'];
  return {
    url: new URL(String(cluster['server'])),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(typeof token === 'string' && { token }),
  };
}

function named(config: Fields, list: string, name: string): Fields {
  const items = config[list];
  const found = Array.isArray(items) ? (items as Fields[]).find((item) => item['name'] === name) : undefined;
  if (found === undefined) throw new Error(`Cannot read the kubeconfig as ${list} has no entry "${name}"`);
  return found;
}
