/**
 * The files that say who is who (`AuthenticationConfiguration`) and who decides what users may do (`AuthorizationConfiguration`), for a server that is a process of its own and for a
 * cluster in one. Loaded by those that are given one.
 */
import { readFile } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import {
  type AuthenticationConfiguration,
  readAuthenticationConfiguration,
} from '#pkg/registry/authentication/authentication-configuration.ts';
import {
  type AuthorizationMode,
  type AuthorizerChoice,
  authorizationModes,
} from '#pkg/registry/authorization/authorization.ts';
import {
  type AuthorizerConfig,
  readAuthorizationConfiguration,
} from '#pkg/registry/authorization/authorization-configuration.ts';
import type { RemoteServer } from '#pkg/registry/remote/remote-server.ts';
import type { ApiPartOptions } from './api-part.ts';
import { defaultIssuer } from './authentication.ts';
import { readConnection } from './kubeconfig-connection.ts';

/** The files, by their flags; `''` for none. */
export interface AccessFiles {
  readonly 'authentication-config': string;
  readonly 'authorization-config': string;
}

/** By what components of a cluster have their rights: one of these is among the authorizers. */
const ownRights: readonly (readonly AuthorizationMode[])[] = [['AlwaysAllow'], ['Node', 'RBAC']];

/** What the files of a cluster come to. Throws `UserError` for what cannot be used, also for authorizers by which the cluster's own components could do nothing. */
export async function clusterAccess(
  files: AccessFiles,
): Promise<Pick<ApiPartOptions, 'authorizationModes'> & { readonly configuration?: AuthenticationConfiguration }> {
  const [authentication, authorization] = [files['authentication-config'], files['authorization-config']];
  const configuration = authentication === '' ? undefined : await authenticationIn(authentication, [defaultIssuer]);
  const chosen = authorization === '' ? undefined : await authorizersIn(authorization);
  if (chosen !== undefined && !ownRights.some((modes) => modes.every((mode) => chosen.includes(mode))))
    throw new UserError(
      'Cannot use the file of --authorization-config: authorizers: Node and RBAC must be among them, as components of the cluster have their rights by these',
    );
  return {
    ...(configuration === undefined ? {} : { configuration }),
    ...(chosen === undefined ? {} : { authorizationModes: chosen }),
  };
}

/** The issuers of the file at `path`; those in `disallowed` are this server itself. Throws `UserError`. */
export async function authenticationIn(
  path: string,
  disallowed: readonly string[],
): Promise<AuthenticationConfiguration> {
  return usable('authentication-config', await textIn('authentication-config', path), (text) =>
    readAuthenticationConfiguration(text, disallowed),
  );
}

/** The authorizers of the file at `path`, in order. Throws `UserError`. */
export async function authorizersIn(path: string): Promise<readonly AuthorizerChoice[]> {
  const chosen = usable('authorization-config', await textIn('authorization-config', path), (text) =>
    readAuthorizationConfiguration(text, authorizationModes),
  );
  return Promise.all(chosen.map(choiceOf));
}

async function choiceOf({ type, webhook = {} }: AuthorizerConfig): Promise<AuthorizerChoice> {
  const mode = authorizationModeOf(type);
  if (mode !== undefined) return mode;
  const server = await remoteServerIn('authorization-config', webhook.connectionInfo?.kubeConfigFile ?? '');
  return { type: 'Webhook', config: webhook, server };
}

/** The authorizer of a name that needs no webhook; undefined for any other. */
export function authorizationModeOf(name: string | undefined): AuthorizationMode | undefined {
  return authorizationModes.find((mode) => mode === name);
}

/** The server that a kubeconfig of a flag names. Throws `UserError`. */
export async function remoteServerIn(flag: string, path: string): Promise<RemoteServer> {
  const { server, ca, cert, key, token } = await readConnection(path);
  if (!server.startsWith('https://') || !URL.canParse(server))
    throw new UserError(`Cannot use the kubeconfig ${path} of --${flag} as its server is no https URL`);
  return {
    url: server,
    caBundle: ca,
    credentials: cert === undefined || key === undefined ? undefined : { certificate: cert, key },
    token,
  };
}

async function textIn(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`Cannot read the file of --${flag}: ${path} (${errorCode(error)})`, error);
  }
}

/** What the file of a flag holds; refuses in one line what cannot be read as that. */
export function usable<T>(flag: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    throw new UserError(`Cannot use the file of --${flag}: ${errorText(error)}`, error);
  }
}
