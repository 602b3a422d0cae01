/**
 * The file of `--encryption-provider-config`: which resources are stored unreadable, and by what. What it says is checked whole before anything follows from it.
 * Says nothing of secrets in any message.
 * Source: apiserver `pkg/apis/apiserver/v1` `EncryptionConfiguration`, `pkg/apis/apiserver/validation/validation_encryption.go`.
 */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { refuseConfig } from '#pkg/registry/remote/config-errors.ts';
import { readConfig } from '#pkg/registry/remote/config-shape.ts';

/** A key by name; `secret` is base64. */
export interface KeyConfig {
  readonly name?: string;
  readonly secret?: string;
}

/** A KMS plugin at its socket. */
export interface KmsConfig {
  readonly apiVersion?: string;
  readonly name?: string;
  readonly endpoint?: string;
  readonly timeout?: string;
  readonly cachesize?: number;
}

/** One provider: one of its fields. */
export interface ProviderConfig {
  readonly aesgcm?: { readonly keys?: readonly KeyConfig[] };
  readonly aescbc?: { readonly keys?: readonly KeyConfig[] };
  readonly secretbox?: { readonly keys?: readonly KeyConfig[] };
  readonly identity?: object;
  readonly kms?: KmsConfig;
}

/** Some resources, and the providers of their values in order. */
export interface ResourceConfig {
  readonly resources?: readonly string[];
  readonly providers?: readonly ProviderConfig[];
}

interface Configuration {
  readonly resources?: readonly ResourceConfig[];
}

const keys = { fields: { keys: { list: { fields: { name: 'string', secret: 'string' } } } } } as const;

const kind = {
  kind: 'EncryptionConfiguration',
  versions: ['v1'],
  fields: {
    resources: {
      list: {
        fields: {
          resources: { list: 'string' },
          providers: {
            list: {
              fields: {
                aesgcm: keys,
                aescbc: keys,
                secretbox: keys,
                identity: { fields: {} },
                kms: {
                  fields: {
                    apiVersion: 'string',
                    name: 'string',
                    endpoint: 'string',
                    timeout: 'string',
                    cachesize: 'number',
                  },
                },
              },
            },
          },
        },
      },
    },
  },
} as const;

const aesKeyBytes = [16, 24, 32] as const;
const boxKeyBytes = [32] as const;

/** How long a KMS plugin may take where nothing is said. Source: `defaultTimeout`. */
export const kmsTimeoutMsDefault = 3_000;

/** Reads the file. Throws an `Error` that says in one line all that is wrong. */
export function readEncryptionConfiguration(text: string): readonly ResourceConfig[] {
  const config: Configuration = readConfig(text, kind);
  const resources = config.resources ?? [];
  refuseConfig(configErrors(resources));
  return resources;
}

const field = pathsOf<Configuration>();

function configErrors(resources: readonly ResourceConfig[]): readonly FieldError[] {
  const root = field('resources');
  if (resources.length === 0) return [required(root, 'at least one resources is required')];
  const errors: FieldError[] = [];
  const kmsNames = new Set<string>();
  const seen = new Set<string>();
  for (const [index, { resources: names = [], providers = [] }] of resources.entries()) {
    const path = at(root, index);
    const namesAt = child(path, 'resources');
    const providersAt = child(path, 'providers');
    if (names.length === 0) errors.push(required(namesAt, `at least one ${namesAt} is required`));
    errors.push(...overlapErrors(names, namesAt));
    for (const [at_, name] of names.entries()) errors.push(...nameErrors(name, at(namesAt, at_)));
    if (providers.length === 0) errors.push(required(providersAt, `at least one ${providersAt} is required`));
    for (const [at_, provider] of providers.entries())
      errors.push(...providerErrors(provider, at(providersAt, at_), kmsNames));
    for (const name of names) {
      const mask = maskOf(name, seen);
      if (mask !== undefined)
        errors.push(
          invalid(namesAt, name, `resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(mask)}`),
        );
    }
    for (const name of names) seen.add(name);
  }
  return errors;
}

/** Splits `deployments.apps`. */
function groupOf(name: string): { readonly group: string; readonly resource: string } {
  const dot = name.indexOf('.');
  return dot < 0 ? { group: '', resource: name } : { group: name.slice(dot + 1), resource: name.slice(0, dot) };
}

/** The entry before that leaves nothing to this one. Source: `getTransformerOverridesAndKMSPluginProbes`. */
function maskOf(name: string, seen: ReadonlySet<string>): string | undefined {
  const ofGroup = `*.${groupOf(name).group}`;
  return seen.has(ofGroup) ? ofGroup : seen.has('*.*') ? '*.*' : undefined;
}

function overlapErrors(names: readonly string[], path: FieldPath): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (new Set(names).size !== names.length)
    errors.push(invalid(path, names, 'the same resource cannot be specified multiple times'));
  const distinct = [...new Set(names)].map(groupOf);
  const overlaps =
    names.length > 1 &&
    distinct.length > 1 &&
    distinct.some(
      ({ group, resource }) =>
        resource === '*' && (group === '*' || distinct.filter((other) => other.group === group).length > 1),
    );
  if (overlaps) {
    errors.push(
      invalid(
        path,
        names,
        "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
      ),
    );
  }
  return errors;
}

/** Resources that upstream has no API for, though it stores them. */
const unservedResources: ReadonlySet<string> = new Set([
  'apiserveripinfo',
  'serviceipallocations',
  'servicenodeportallocations',
]);

function nameErrors(name: string, path: FieldPath): readonly FieldError[] {
  const refused = (detail: string): readonly FieldError[] => [invalid(path, name, detail)];
  if (name.toLowerCase() !== name) return refused('resource name should not contain capital letters');
  if (name === '*')
    return refused("use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources");
  if (unservedResources.has(name)) return refused('resources which do not have REST API/s cannot be encrypted');
  const { group, resource } = groupOf(name);
  if (group === 'events.k8s.io') {
    return refused(
      "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
    );
  }
  if (group === 'extensions') return refused("'extensions' group has been removed and cannot be used for encryption");
  if (group === '*' && resource !== '*') return refused('encrypting the same resource across groups is not supported');
  return [];
}

function providerErrors(
  { aesgcm, aescbc, secretbox, identity, kms }: ProviderConfig,
  path: FieldPath<ProviderConfig>,
  kmsNames: Set<string>,
): readonly FieldError[] {
  const given = [kms, aesgcm, aescbc, secretbox, identity].filter((one) => one !== undefined && one !== null);
  const shown = 'REDACTED';
  if (given.length === 0) {
    const expected =
      'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity';
    return [invalid(path, shown, expected)];
  }
  if (given.length > 1) {
    const several = 'more than one provider specified in a single element, should split into different list elements';
    return [invalid(path, shown, several)];
  }
  if (kms) return kmsErrors(kms, child(path, 'kms'), kmsNames);
  if (aesgcm) return keyErrors(aesgcm.keys ?? [], child(path, 'aesgcm.keys'), aesKeyBytes);
  if (aescbc) return keyErrors(aescbc.keys ?? [], child(path, 'aescbc.keys'), aesKeyBytes);
  if (secretbox) return keyErrors(secretbox.keys ?? [], child(path, 'secretbox.keys'), boxKeyBytes);
  return [];
}

function keyErrors(
  given: readonly KeyConfig[],
  path: FieldPath<readonly KeyConfig[] | undefined>,
  lengths: readonly number[],
): readonly FieldError[] {
  if (given.length === 0) return [required(path, 'at least one keys is required')];
  const errors: FieldError[] = [];
  for (const [index, { name = '', secret = '' }] of given.entries()) {
    const one: FieldPath<KeyConfig> = at(path, index);
    if (name === '') errors.push(required(child(one, 'name'), 'name is a mandatory field for a key'));
    if (secret === '') {
      errors.push(required(child(one, 'secret'), 'secret is a mandatory field for a key'));
      continue;
    }
    const bytes = secretOf(secret);
    if (bytes === undefined) {
      errors.push(invalid(child(one, 'secret'), 'REDACTED', 'secrets must be base64 encoded'));
    } else if (!lengths.includes(bytes.length)) {
      const detail = `secret is not of the expected length, got ${bytes.length}, expected one of [${lengths.join(' ')}]`;
      errors.push(invalid(child(one, 'secret'), 'REDACTED', detail));
    }
  }
  return errors;
}

/** The bytes of a secret; undefined for what is no base64 with its padding. Line ends in it do not count, as in Go. */
export function secretOf(base64: string): Uint8Array | undefined {
  const text = base64.replace(/[\r\n]/g, '');
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  return isBase64 ? Buffer.from(text, 'base64') : undefined;
}

/** Version 1 of the API is refused, as upstream does where nobody switches it on. */
const kmsV1Refused =
  'KMSv1 is deprecated and is not served here: use KMSv2 by apiVersion: v2, for which the plugin must have its API';

function kmsErrors(
  { name = '', apiVersion = 'v1', endpoint = '', timeout, cachesize }: KmsConfig,
  path: FieldPath<KmsConfig>,
  names: Set<string>,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  const nameAt = child(path, 'name');
  if (name === '') errors.push(required(nameAt, 'name is a mandatory field for a provider'));
  if (apiVersion !== 'v1' && name.includes(':'))
    errors.push(invalid(nameAt, name, `invalid KMS provider name ${name}, must not contain ':'`));
  if (names.has(name)) errors.push(invalid(nameAt, name, `duplicate KMS provider name ${name}, names must be unique`));
  names.add(name);
  const timeoutMs = timeout === undefined ? kmsTimeoutMsDefault : parseDurationMs(timeout);
  if (timeoutMs === undefined || timeoutMs <= 0)
    errors.push(invalid(child(path, 'timeout'), timeout, 'timeout should be a positive value'));
  errors.push(...endpointErrors(endpoint, child(path, 'endpoint')));
  if (apiVersion !== 'v1' && cachesize !== undefined)
    errors.push(invalid(child(path, 'cachesize'), cachesize, 'cachesize is not supported in v2'));
  const versionAt = child(path, 'apiVersion');
  if (apiVersion === 'v1') errors.push(invalid(versionAt, apiVersion, kmsV1Refused));
  else if (apiVersion !== 'v2') {
    const detail = `unsupported apiVersion ${apiVersion} for KMS provider, only v1 and v2 are supported`;
    errors.push(invalid(versionAt, apiVersion, detail));
  }
  return errors;
}

function endpointErrors(endpoint: string, path: FieldPath): readonly FieldError[] {
  if (endpoint === '') return [invalid(path, '', 'endpoint is a mandatory field for a kms')];
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(endpoint)?.[1] ?? '';
  if (scheme !== 'unix')
    return [
      invalid(path, endpoint, `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`),
    ];
  if (socketOf(endpoint) === '') return [invalid(path, endpoint, 'endpoint is a mandatory field for a kms')];
  return [];
}

/** `/run/kms.sock` of `unix:///run/kms.sock`, `@kms` of `unix:///@kms`. Source: kms `pkg/util` `ParseEndpoint`. */
export function socketOf(endpoint: string): string {
  const path = endpoint.replace(/^unix:(?:\/\/)?/, '');
  return path.startsWith('/@') ? path.slice(1) : path;
}
