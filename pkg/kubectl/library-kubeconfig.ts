/** Reads every kubeconfig, with the credentials that @kubernetes/client-node finds in it; throws in the words of kubectl. */
import { existsSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { UserError } from '#pkg/component/user-error.ts';
import { trusting } from '#pkg/pki/trust.ts';
import type { Connection, KubeconfigPlace } from './plain-kubeconfig.ts';

/** The connection of a kubeconfig; the library looks into the environment where `place` names no file. */
export async function readLibraryKubeconfig(place: KubeconfigPlace): Promise<Connection> {
  const config = new KubeConfig();
  try {
    if (place.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(place.kubeconfig);
  } catch (error) {
    throw isBlank(place.kubeconfig) ? noCurrentContext() : kubeconfigError(error);
  }
  if (place.context !== undefined) {
    if (config.getContextObject(place.context) === null)
      throw new UserError(`Error in configuration: context was not found for specified context: ${place.context}`);
    config.setCurrentContext(place.context);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw noCurrentContext();
  const credentials: RequestOptions = {};
  // Without a kubeconfig the library names a server without HTTPS, for which it then has no credentials.
  if (cluster.server.startsWith('https:')) await config.applyToHTTPSOptions(credentials);
  const { namespace } = config.getContextObject(config.getCurrentContext()) ?? {};
  return { server: cluster.server, namespace, credentials: { ...credentials, ...trusting(credentials.ca) } };
}

/** A file of nothing but comments is to kubectl a configuration with nothing in it. */
function isBlank(file: string | undefined): boolean {
  if (file === undefined || !existsSync(file)) return false;
  return (
    readFileSync(file, 'utf8')
      .replaceAll(/^\s*(#.*)?$/gm, '')
      .trim() === ''
  );
}

function noCurrentContext(): UserError {
  return new UserError(
    'error: the kubeconfig has no current context: run "coxswain up", or name a file with --kubeconfig',
  );
}

function kubeconfigError(error: unknown): UserError {
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new UserError(`error: stat ${path}: no such file or directory`, error);
  if (code === 'EACCES') return new UserError(`error: error loading config file "${path}": permission denied`, error);
  return new UserError(`error: cannot load the kubeconfig: ${message}`, error);
}
