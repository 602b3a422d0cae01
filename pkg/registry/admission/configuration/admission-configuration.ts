/**
 * The file of `--admission-control-config-file`: what single admission plugins are configured by, in the file itself or in files of theirs.
 * Source: apiserver `pkg/apis/apiserver/v1` `AdmissionConfiguration`, `admission/config.go`. Upstream passes over names that no plugin has; here they are refused.
 */
import {
  at,
  child,
  duplicate,
  type FieldError,
  notSupported,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { refuseConfig } from '../../remote/config-errors.ts';
import { type ConfigKind, readConfig } from '../../remote/config-shape.ts';

/** What is said of one plugin. */
export interface PluginConfiguration {
  readonly name?: string;
  /** A file, relative to the one that names it. */
  readonly path?: string;
  /** Comes before the file. */
  readonly configuration?: unknown;
}

interface Configuration {
  readonly plugins?: readonly PluginConfiguration[];
}

const fields = { plugins: { list: { fields: { name: 'string', path: 'string', configuration: 'any' } } } } as const;
const kinds: readonly ConfigKind[] = [
  { kind: 'AdmissionConfiguration', versions: ['v1'], fields },
  { kind: 'AdmissionConfiguration', group: 'apiserver.k8s.io', versions: ['v1alpha1'], fields },
];

const field = pathsOf<Configuration>();

/** Reads the file. `configurable` are the plugins that can be configured. Throws an `Error` that says in one line all that is wrong. */
export function readAdmissionConfiguration(
  text: string,
  configurable: readonly string[],
): readonly PluginConfiguration[] {
  const { plugins = [] }: Configuration = readConfig(text, ...kinds);
  const errors: FieldError[] = [];
  for (const [index, { name = '' }] of plugins.entries()) {
    const path = child(at(field('plugins'), index), 'name');
    if (name === '') errors.push(required(path));
    else if (!configurable.includes(name)) errors.push(notSupported(path, name, configurable));
    else if (plugins.slice(0, index).some((other) => other.name === name)) errors.push(duplicate(path, name));
  }
  refuseConfig(errors);
  return plugins;
}
