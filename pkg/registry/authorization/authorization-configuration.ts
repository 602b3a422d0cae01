/**
 * The file of `--authorization-config`: who decides, in order, and how webhooks are asked.
 * Source: apiserver `pkg/apis/apiserver/v1` `AuthorizationConfiguration`, `pkg/apis/apiserver/validation`.
 */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  required,
  tooMany,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { refuseConfig } from '../remote/config-errors.ts';
import { readConfig } from '../remote/config-shape.ts';
import { compileReviewCondition } from './review-conditions.ts';

/** How a webhook is asked; durations are Go's texts. */
export interface AuthorizerWebhook {
  readonly authorizedTTL?: string;
  readonly cacheAuthorizedRequests?: boolean;
  readonly unauthorizedTTL?: string;
  readonly cacheUnauthorizedRequests?: boolean;
  readonly timeout?: string;
  readonly subjectAccessReviewVersion?: string;
  readonly matchConditionSubjectAccessReviewVersion?: string;
  readonly failurePolicy?: string;
  readonly connectionInfo?: { readonly type?: string; readonly kubeConfigFile?: string };
  readonly matchConditions?: readonly { readonly expression?: string }[];
}

/** One authorizer. */
export interface AuthorizerConfig {
  readonly type?: string;
  readonly name?: string;
  readonly webhook?: AuthorizerWebhook;
}

const texts = (...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'string'] as const));

const kind = {
  kind: 'AuthorizationConfiguration',
  versions: ['v1', 'v1beta1'],
  fields: {
    authorizers: {
      list: {
        fields: {
          ...texts('type', 'name'),
          webhook: {
            fields: {
              ...texts('authorizedTTL', 'unauthorizedTTL', 'timeout', 'subjectAccessReviewVersion'),
              ...texts('matchConditionSubjectAccessReviewVersion', 'failurePolicy'),
              cacheAuthorizedRequests: 'boolean',
              cacheUnauthorizedRequests: 'boolean',
              connectionInfo: { fields: texts('type', 'kubeConfigFile') },
              matchConditions: { list: { fields: texts('expression') } },
            },
          },
        },
      },
    },
  },
} as const;

/** Reads the file: the authorizers in order. `known` are those that need no webhook. Throws an `Error` that says in one line all that is wrong. */
export function readAuthorizationConfiguration(text: string, known: readonly string[]): readonly AuthorizerConfig[] {
  const config: { authorizers?: readonly AuthorizerConfig[] } = readConfig(text, kind);
  const authorizers = config.authorizers ?? [];
  refuseConfig(authorizerErrors(authorizers, [...known, 'Webhook'].sort()));
  return authorizers;
}

function authorizerErrors(authorizers: readonly AuthorizerConfig[], known: readonly string[]): readonly FieldError[] {
  const errors: FieldError[] = [];
  const root = untyped('authorizers');
  if (authorizers.length === 0) errors.push(required(root, 'at least one authorization mode must be defined'));
  for (const [index, { type = '', name = '', webhook }] of authorizers.entries()) {
    const path: FieldPath = at(root, index);
    const before = authorizers.slice(0, index);
    if (type === '') errors.push(required(child(path, 'type')));
    else if (!known.includes(type)) errors.push(notSupported(child(path, 'type'), type, known));
    else if (type !== 'Webhook' && before.some((other) => other.type === type)) {
      errors.push(duplicate(child(path, 'type'), type));
    } else {
      errors.push(...nameErrors(name, before, child(path, 'name')));
      if (type === 'Webhook') {
        if (webhook === undefined) errors.push(required(child(path, 'webhook'), 'required when type=Webhook'));
        else errors.push(...webhookErrors(webhook, path));
      } else if (webhook !== undefined) {
        errors.push(invalid(child(path, 'webhook'), 'non-null', 'may only be specified when type=Webhook'));
      }
    }
  }
  return errors;
}

function nameErrors(name: string, before: readonly AuthorizerConfig[], path: FieldPath): readonly FieldError[] {
  if (name === '') return [required(path)];
  if (before.some((other) => other.name === name)) return [duplicate(path, name)];
  const problems = dns1123SubdomainProblems(name);
  return problems.length === 0 ? [] : [invalid(path, name, `authorizer name is invalid: ${problems.join(', ')}`)];
}

const timeoutMsMax = 30_000;
const conditionsMax = 64;

/** Upstream's paths leave the `webhook` out. */
function webhookErrors(webhook: AuthorizerWebhook, path: FieldPath): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { timeout = '', authorizedTTL = '', unauthorizedTTL = '' } = webhook;
  const timeoutMs = parseDurationMs(timeout) ?? 0;
  if (timeoutMs === 0) errors.push(required(child(path, 'timeout')));
  else if (timeoutMs < 0 || timeoutMs > timeoutMsMax) {
    errors.push(invalid(child(path, 'timeout'), timeout, 'must be > 0s and <= 30s'));
  }
  for (const [name, text] of Object.entries({ authorizedTTL, unauthorizedTTL })) {
    const ms = text === '' ? 1 : (parseDurationMs(text) ?? 0);
    if (ms <= 0) errors.push(invalid(child(path, name), text, 'must be > 0s'));
  }
  const oneOf = (name: string, value: string, values: readonly string[]): void => {
    if (value === '') errors.push(required(child(path, name)));
    else if (!values.includes(value)) errors.push(notSupported(child(path, name), value, values));
  };
  oneOf('subjectAccessReviewVersion', webhook.subjectAccessReviewVersion ?? '', ['v1', 'v1beta1']);
  const { matchConditions = [], matchConditionSubjectAccessReviewVersion: version = '' } = webhook;
  const versionPath: FieldPath = child(path, 'matchConditionSubjectAccessReviewVersion');
  if (version === '') {
    if (matchConditions.length > 0) errors.push(required(versionPath, 'required if match conditions are specified'));
  } else if (version !== 'v1') errors.push(notSupported(versionPath, version, ['v1']));
  oneOf('failurePolicy', webhook.failurePolicy ?? '', ['NoOpinion', 'Deny']);
  const { type = '', kubeConfigFile = '' } = webhook.connectionInfo ?? {};
  oneOf('connectionInfo.type', type, ['InClusterConfig', 'KubeConfigFile']);
  const filePath: FieldPath = child(path, 'connectionInfo.kubeConfigFile');
  if (type === 'KubeConfigFile') {
    if (kubeConfigFile === '') errors.push(required(filePath));
    else if (!kubeConfigFile.startsWith('/'))
      errors.push(invalid(filePath, kubeConfigFile, 'must be an absolute path'));
  } else if (type === 'InClusterConfig') {
    const why = 'this server does not run in a pod: use KubeConfigFile';
    errors.push(invalid(child(path, 'connectionInfo.type'), type, why));
  }
  return [...errors, ...conditionErrors(matchConditions, child(path, 'matchConditions'))];
}

function conditionErrors(
  conditions: readonly { readonly expression?: string }[],
  path: FieldPath,
): readonly FieldError[] {
  if (conditions.length > conditionsMax) return [tooMany(path, conditions.length, conditionsMax)];
  return conditions.flatMap(({ expression = '' }, index) => {
    const own: FieldPath = child(at(path, index), 'expression');
    if (expression.trim() === '') return [required(own)];
    if (conditions.slice(0, index).some((other) => other.expression === expression))
      return [duplicate(own, expression)];
    const { problem } = compileReviewCondition(expression);
    return problem === undefined ? [] : [invalid(own, expression, problem)];
  });
}
