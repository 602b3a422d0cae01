/** What the files of flags say of who is who and who may do what beside certificates, roles and tokens of service accounts. */
import { authenticationIn, authorizationModeOf, authorizersIn, remoteServerIn } from '#pkg/cluster/access-files.ts';
import type { AuthenticationSettings } from '#pkg/cluster/authentication.ts';
import type { FlagValues } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type AuthorizerChoice, authorizationModes } from '#pkg/registry/authorization/authorization.ts';
import type { apiServerFlags } from './options.ts';

type Values = FlagValues<typeof apiServerFlags>;

const reviewVersions = ['v1', 'v1beta1'] as const;

/** Issuers and the server that knows tokens, as the flags say. Throws `UserError`. */
export async function readUsersElsewhere(
  values: Values,
): Promise<Pick<AuthenticationSettings, 'configuration' | 'tokenWebhook'>> {
  const [config, webhook] = [values['authentication-config'], values['authentication-token-webhook-config-file']];
  const configuration = config === '' ? undefined : await authenticationIn(config, [values['service-account-issuer']]);
  return {
    ...(configuration === undefined ? {} : { configuration }),
    ...(webhook === ''
      ? {}
      : {
          tokenWebhook: {
            server: await remoteServerIn('authentication-token-webhook-config-file', webhook),
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
  return authorizersIn(file);
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
      const mode = authorizationModeOf(name);
      if (mode !== undefined) return mode;
      const config = {
        subjectAccessReviewVersion: versionOf(values, 'authorization-webhook-version'),
        authorizedTTL: `${values['authorization-webhook-cache-authorized-ttl']}ms`,
        unauthorizedTTL: `${values['authorization-webhook-cache-unauthorized-ttl']}ms`,
        failurePolicy: 'NoOpinion',
      };
      return { type: 'Webhook', config, server: await remoteServerIn('authorization-webhook-config-file', webhook) };
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
