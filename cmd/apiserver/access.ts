/** What the files of flags say of who is who and who may do what beside certificates, roles and tokens of service accounts. */
import { readConnection, readPem } from '#cmd/common/connection.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { AuthenticationSettings } from '#pkg/cluster/authentication.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { readAuthenticationConfiguration } from '#pkg/registry/authentication/authentication-configuration.ts';
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
import type { apiServerFlags } from './options.ts';

type Values = FlagValues<typeof apiServerFlags>;

const reviewVersions = ['v1', 'v1beta1'] as const;

/** Issuers and the server that knows tokens, as the flags say. Throws `UserError`. */
export async function readUsersElsewhere(
  values: Values,
): Promise<Pick<AuthenticationSettings, 'configuration' | 'tokenWebhook'>> {
  const [config, webhook] = [values['authentication-config'], values['authentication-token-webhook-config-file']];
  const issuers = [values['service-account-issuer']];
  const configuration =
    config === ''
      ? undefined
      : usable('authentication-config', await readPem('authentication-config', config), (text) =>
          readAuthenticationConfiguration(text, issuers),
        );
  return {
    ...(configuration === undefined ? {} : { configuration }),
    ...(webhook === ''
      ? {}
      : {
          tokenWebhook: {
            server: await remoteServer('authentication-token-webhook-config-file', webhook),
            version: versionOf(values, 'authentication-token-webhook-version'),
            ttlMs: values['authentication-token-webhook-cache-ttl'],
          },
        }),
  };
}

/** Who decides, in order. Throws `UserError`. */
export async function readAuthorizers(values: Values): Promise<readonly AuthorizerChoice[]> {
  const file = values['authorization-config'];
  const webhook = values['authorization-webhook-config-file'];
  if (file === '') return modesOf(values['authorization-mode'], values, webhook);
  if (webhook !== '')
    throw new UserError(
      'Cannot use --authorization-config beside --authorization-webhook-config-file: give one of them',
    );
  const chosen = usable('authorization-config', await readPem('authorization-config', file), (text) =>
    readAuthorizationConfiguration(text, authorizationModes),
  );
  return Promise.all(chosen.map(choiceOf));
}

async function choiceOf({ type, webhook = {} }: AuthorizerConfig): Promise<AuthorizerChoice> {
  const mode = modeOf(type);
  if (mode !== undefined) return mode;
  const server = await remoteServer('authorization-config', webhook.connectionInfo?.kubeConfigFile ?? '');
  return { type: 'Webhook', config: webhook, server };
}

function modeOf(name: string | undefined): AuthorizationMode | undefined {
  return authorizationModes.find((mode) => mode === name);
}

async function modesOf(
  given: readonly string[],
  values: Values,
  webhook: string,
): Promise<readonly AuthorizerChoice[]> {
  const known = [...authorizationModes, 'Webhook'];
  const wrong = given.find((mode) => !known.includes(mode));
  if (wrong !== undefined || given.length === 0)
    throw new UserError(`Cannot use --authorization-mode=${given.join(',')}: each must be one of ${known.join(', ')}`);
  if (given.includes('Webhook') !== (webhook !== ''))
    throw new UserError('The mode Webhook and the flag --authorization-webhook-config-file need each other');
  return Promise.all(
    given.map(async (name): Promise<AuthorizerChoice> => {
      const mode = modeOf(name);
      if (mode !== undefined) return mode;
      const config = {
        subjectAccessReviewVersion: versionOf(values, 'authorization-webhook-version'),
        authorizedTTL: `${values['authorization-webhook-cache-authorized-ttl']}ms`,
        unauthorizedTTL: `${values['authorization-webhook-cache-unauthorized-ttl']}ms`,
        failurePolicy: 'NoOpinion',
      };
      return { type: 'Webhook', config, server: await remoteServer('authorization-webhook-config-file', webhook) };
    }),
  );
}

function versionOf(
  values: Values,
  flag: 'authentication-token-webhook-version' | 'authorization-webhook-version',
): (typeof reviewVersions)[number] {
  const found = reviewVersions.find((version) => version === values[flag]);
  if (found === undefined) throw new UserError(`Cannot use --${flag}=${values[flag]}: it must be v1 or v1beta1`);
  return found;
}

/** The server of a kubeconfig. */
async function remoteServer(flag: string, path: string): Promise<RemoteServer> {
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

/** What the file of a flag holds; refuses in one line what cannot be read as that. */
export function usable<T>(flag: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    throw new UserError(`Cannot use the file of --${flag}: ${errorText(error)}`, error);
  }
}
