/**
 * The environment of a container: variables of Services, then `envFrom`, then `env` in order, each able to refer to those before.
 * Source: kubelet `makeEnvironmentVariables`.
 */
import type { ConfigMap, Container, EnvVar, Secret, Service } from '#pkg/api/types/core-v1.ts';
import { getOwn } from '#pkg/apimachinery/json.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { ConfigError } from './config-error.ts';
import { type ArgumentSpace, expand } from './expand.ts';
import { type FieldContext, fieldValue, resourceValue } from './field-ref.ts';
import { serviceVariables } from './service-links.ts';

/** Reads what variables refer to, fresh from the API; undefined for what does not exist. */
export interface ObjectReader {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
}

/** What the variables of one container are made from. */
export interface EnvironmentInput {
  readonly container: Container;
  readonly fields: FieldContext;
  readonly services: readonly Service[];
  readonly reader: ObjectReader;
  /** What the variables take room of, those of Services not counted: the machine's cluster has them anyway. */
  readonly space: ArgumentSpace;
}

/** The variables. Throws `ConfigError` for what is missing and not optional, and for what is too much. */
export async function buildEnvironment(input: EnvironmentInput): Promise<Readonly<Record<string, string>>> {
  const { container, fields } = input;
  const namespace = fields.pod.metadata?.namespace ?? '';
  const services = serviceVariables(input.services, {
    namespace,
    links: fields.pod.spec?.enableServiceLinks !== false,
  });
  const result = new Map<string, string>();
  await addSources(input, namespace, result);
  for (const variable of container.env ?? []) {
    const value = await variableValue(input, variable, (name) => result.get(name) ?? services.get(name));
    if (value !== undefined) set(input, result, { name: variable.name, value });
  }
  for (const [name, value] of services) if (!result.has(name)) result.set(name, value);
  return Object.fromEntries(result);
}

function set(
  { space }: EnvironmentInput,
  result: Map<string, string>,
  { name, value }: { readonly name: string; readonly value: string },
): void {
  const replaced = result.get(name);
  space.take(`${name}=${value}`, replaced === undefined ? '' : `${name}=${replaced}`);
  result.set(name, value);
}

async function addSources(input: EnvironmentInput, namespace: string, result: Map<string, string>): Promise<void> {
  for (const source of input.container.envFrom ?? []) {
    const prefix = source.prefix ?? '';
    const add = (data: Readonly<Record<string, string>> | undefined, decode: (value: string) => string): void => {
      for (const [key, value] of Object.entries(data ?? {})) {
        set(input, result, { name: prefix + key, value: decode(value) });
      }
    };
    if (source.configMapRef !== undefined) {
      const { name = '', optional } = source.configMapRef;
      const found = await input.reader.configMap(namespace, name);
      if (found === undefined && optional !== true) throw new ConfigError(`configmap "${name}" not found`);
      add(found?.data, (value) => value);
    }
    if (source.secretRef !== undefined) {
      const { name = '', optional } = source.secretRef;
      const found = await input.reader.secret(namespace, name);
      if (found === undefined && optional !== true) throw new ConfigError(`secret "${name}" not found`);
      add(found?.data, decodeBase64);
    }
  }
}

async function variableValue(
  input: EnvironmentInput,
  variable: EnvVar,
  known: (name: string) => string | undefined,
): Promise<string | undefined> {
  const { fields, reader, container } = input;
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', known);
  const namespace = fields.pod.metadata?.namespace ?? '';
  if (from.fieldRef !== undefined) {
    const value = fieldValue(fields, from.fieldRef);
    if (value === undefined) throw new ConfigError(`unsupported fieldPath: ${from.fieldRef.fieldPath}`);
    return value;
  }
  if (from.resourceFieldRef !== undefined) {
    try {
      return resourceValue(fields, from.resourceFieldRef, container);
    } catch (error) {
      throw new ConfigError(errorText(error));
    }
  }
  if (from.configMapKeyRef !== undefined) {
    const { name = '', key, optional } = from.configMapKeyRef;
    const found = await reader.configMap(namespace, name);
    return keyOf({ kind: 'configmap', title: 'ConfigMap', name, key, optional, found }, namespace, (value) => value);
  }
  if (from.secretKeyRef !== undefined) {
    const { name = '', key, optional } = from.secretKeyRef;
    const found = await reader.secret(namespace, name);
    return keyOf({ kind: 'secret', title: 'Secret', name, key, optional, found }, namespace, decodeBase64);
  }
  throw new ConfigError(`environment variable ${variable.name} has a source that this kubelet does not support`);
}

interface KeyReference {
  readonly kind: string;
  readonly title: string;
  readonly name: string;
  readonly key: string;
  readonly optional: boolean | undefined;
  readonly found: ConfigMap | Secret | undefined;
}

function keyOf(reference: KeyReference, namespace: string, decode: (value: string) => string): string | undefined {
  const { kind, title, name, key, found } = reference;
  const value = getOwn(found?.data ?? {}, key) as string | undefined;
  if (value !== undefined) return decode(value);
  if (reference.optional === true) return undefined;
  if (found === undefined) throw new ConfigError(`${kind} "${name}" not found`);
  throw new ConfigError(`couldn't find key ${key} in ${title} ${namespace}/${name}`);
}

function decodeBase64(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8');
}
