/** Reads configurations: what is wrong is told with the paths of its fields, all of it at once. Source: kube-scheduler `validation.go`. */
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { documentProblems } from '#pkg/component/document-check.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { nameOf, type PluginEntry } from '../framework/plugin-context.ts';
import { type ExtensionPoint, extensionPoints } from '../framework/profile.ts';
import {
  defaultConfiguration,
  type ExtenderSpec,
  type ProfileSpec,
  type SchedulerConfiguration,
} from './configuration.ts';

/** The kind of the files. */
const configurationKind = 'KubeSchedulerConfiguration';

const text = { type: 'string' };
const integer = { type: 'integer' };
const truth = { type: 'boolean' };
const any = {};

function object(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: 'object', properties, required, additionalProperties: false };
}

function listOf(items: JsonObject): JsonObject {
  return { type: ['array', 'null'], items };
}

const pluginSet = object({
  enabled: listOf(object({ name: text, weight: integer }, ['name'])),
  disabled: listOf(object({ name: text }, ['name'])),
});
const points = Object.keys(extensionPoints);
const pluginSets = object(Object.fromEntries(['multiPoint', ...points].map((point) => [point, pluginSet])));
const pluginConfig = object({ name: text, args: { type: 'object' } }, ['name']);

const extender = object(
  {
    urlPrefix: text,
    filterVerb: text,
    prioritizeVerb: text,
    preemptVerb: text,
    bindVerb: text,
    weight: integer,
    enableHTTPS: truth,
    tlsConfig: object({
      insecure: truth,
      serverName: text,
      certFile: text,
      keyFile: text,
      caFile: text,
      certData: text,
      keyData: text,
      caData: text,
    }),
    httpTimeout: text,
    nodeCacheCapable: truth,
    managedResources: listOf(object({ name: text, ignoredByScheduler: truth }, ['name'])),
    ignorable: truth,
  },
  ['urlPrefix'],
);

const schema = object(
  {
    apiVersion: { const: 'kubescheduler.config.k8s.io/v1' },
    kind: { const: configurationKind },
    parallelism: integer,
    leaderElection: any,
    clientConnection: any,
    enableProfiling: truth,
    enableContentionProfiling: truth,
    percentageOfNodesToScore: integer,
    podInitialBackoffSeconds: integer,
    podMaxBackoffSeconds: integer,
    delayCacheUntilActive: truth,
    profiles: listOf(
      object({
        schedulerName: text,
        percentageOfNodesToScore: integer,
        plugins: pluginSets,
        pluginConfig: listOf(pluginConfig),
      }),
    ),
    extenders: listOf(extender),
  },
  ['apiVersion', 'kind'],
);

interface Document extends Partial<SchedulerConfiguration> {
  readonly parallelism?: number;
  readonly percentageOfNodesToScore?: number;
  readonly profiles?: readonly (ProfileSpec & { readonly percentageOfNodesToScore?: number })[];
}

function check(shape: JsonObject, document: unknown): readonly string[] {
  const { errors, unknown } = documentProblems(shape, document);
  return [...errors, ...unknown];
}

function isDocument(document: unknown): document is Document {
  return check(schema, document).length === 0;
}

/** The configuration in a document, for the plugins of a table. Throws `UserError` that says all that is wrong with it. */
export function readConfiguration(document: unknown, table: readonly PluginEntry[]): SchedulerConfiguration {
  if (!isDocument(document)) {
    throw refusal(check(schema, document));
  }
  const given = Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null));
  const whole: SchedulerConfiguration = { ...defaultConfiguration, ...given };
  const single = whole.profiles.length === 1;
  const profiles = whole.profiles.map((profile) => ({
    ...profile,
    check,
    // One profile that has no name is the default one; of several each says whose it is.
    schedulerName: profile.schedulerName ?? (single ? 'default-scheduler' : ''),
  }));
  const configuration = { ...whole, profiles };
  const problems = [...rangeProblems(document, configuration), ...profilesProblems(profiles, table)];
  problems.push(...extenderProblems(configuration.extenders));
  if (problems.length > 0) throw refusal(problems);
  return configuration;
}

function refusal(problems: readonly string[]): UserError {
  return new UserError(`Cannot use this scheduler configuration: ${problems.join('; ')}`);
}

function wrong(path: string, value: unknown, why: string): string {
  return `${path}: Invalid value: ${typeof value === 'string' ? JSON.stringify(value) : String(value)}: ${why}`;
}

function rangeProblems(document: Document, configuration: SchedulerConfiguration): readonly string[] {
  const problems: string[] = [];
  const { parallelism = 16, percentageOfNodesToScore: share = 0 } = document;
  const { podInitialBackoffSeconds: first, podMaxBackoffSeconds: most, profiles } = configuration;
  const shares = [['percentageOfNodesToScore', share] as const, ...profileShares(document)];
  if (parallelism <= 0)
    problems.push(wrong('parallelism', parallelism, 'should be an integer value greater than zero'));
  for (const [path, value] of shares)
    if (value < 0 || value > 100) problems.push(wrong(path, value, 'not in valid range [0-100]'));
  if (first <= 0) problems.push(wrong('podInitialBackoffSeconds', first, 'must be greater than 0'));
  if (most < first) {
    const why = 'must be greater than or equal to PodInitialBackoffSeconds';
    problems.push(wrong('podMaxBackoffSeconds', most, why));
  }
  if (profiles.length === 0) problems.push('profiles: Required value');
  return problems;
}

function profileShares({ profiles }: Document): readonly (readonly [path: string, share: number])[] {
  return (profiles ?? []).map(({ percentageOfNodesToScore: share = 0 }, index) => [
    `profiles[${index}].percentageOfNodesToScore`,
    share,
  ]);
}

function profilesProblems(profiles: readonly ProfileSpec[], table: readonly PluginEntry[]): readonly string[] {
  const [first] = profiles;
  return profiles.flatMap((profile, index) => {
    const path = `profiles[${index}]`;
    const problems: string[] = [];
    const { schedulerName, plugins } = profile;
    if (schedulerName === '') problems.push(`${path}.schedulerName: Required value`);
    const same = profiles.findIndex((other) => other.schedulerName === schedulerName);
    if (same < index)
      problems.push(`${path}.schedulerName: Duplicate value: ${JSON.stringify(`profiles[${same}].schedulerName`)}`);
    if (JSON.stringify(plugins?.queueSort) !== JSON.stringify(first?.plugins?.queueSort))
      problems.push(`${path}.plugins.queueSort: Invalid value: has to match for all profiles`);
    problems.push(...pluginProblems(profile, path, table), ...argsProblems(profile, path, table));
    return problems;
  });
}

/** Plugins that nobody has. */
function pluginProblems({ plugins = {} }: ProfileSpec, path: string, table: readonly PluginEntry[]): readonly string[] {
  const known = new Set(table.map(nameOf));
  const places: readonly (ExtensionPoint | 'multiPoint')[] = ['multiPoint', ...extensionPointNames()];
  return places.flatMap((point) => {
    const enabled = plugins[point]?.enabled ?? [];
    return enabled.flatMap(({ name }, index) => {
      const place = `${path}.plugins.${point}.enabled[${index}]`;
      if (!known.has(name)) return [wrong(`${place}.name`, name, 'there is no plugin of that name')];
      const isAgain = enabled.findIndex((other) => other.name === name) < index;
      return isAgain ? [`${place}: Duplicate value: ${JSON.stringify(name)}`] : [];
    });
  });
}

/** The extension points, in the order in which they are asked. */
function extensionPointNames(): readonly ExtensionPoint[] {
  const isPoint = (name: string): name is ExtensionPoint => Object.hasOwn(extensionPoints, name);
  return points.filter(isPoint);
}

function argsProblems(
  { pluginConfig = [] }: ProfileSpec,
  path: string,
  table: readonly PluginEntry[],
): readonly string[] {
  return pluginConfig.flatMap(({ name, args = {} }, index) => {
    const place = `${path}.pluginConfig[${index}]`;
    if (pluginConfig.findIndex((other) => other.name === name) < index)
      return [`${place}: Duplicate value: ${JSON.stringify(name)}`];
    const entry = table.find((one) => nameOf(one) === name);
    if (entry === undefined) return [wrong(`${place}.name`, name, 'there is no plugin of that name')];
    if ('plugin' in entry || entry.argsProblems === undefined) {
      const isBare = Object.keys(args).every((key) => key === 'apiVersion' || key === 'kind');
      return isBare ? [] : [`${place}.args: Forbidden: the plugin ${name} takes no arguments`];
    }
    return entry
      .argsProblems(args, check)
      .map((problem) => `${place}.args${problem.startsWith('unknown') ? ': ' : '.'}${problem}`);
  });
}

function extenderProblems(extenders: readonly ExtenderSpec[]): readonly string[] {
  const managed = new Set<string>();
  const problems = extenders.flatMap((extender, index) => {
    const path = `extenders[${index}]`;
    const { urlPrefix, prioritizeVerb, weight = 0, httpTimeout, managedResources = [] } = extender;
    const found: string[] = [];
    if (!URL.canParse(urlPrefix)) found.push(wrong(`${path}.urlPrefix`, urlPrefix, 'must be a URL'));
    if (prioritizeVerb && weight <= 0)
      found.push(wrong(`${path}.weight`, weight, 'must have a positive weight applied to it'));
    if (httpTimeout !== undefined && parseDurationMs(httpTimeout) === undefined)
      found.push(wrong(`${path}.httpTimeout`, httpTimeout, 'must be a duration such as 5s'));
    found.push(...tlsProblems(extender, `${path}.tlsConfig`));
    for (const [at, { name }] of managedResources.entries()) {
      const place = `${path}.managedResources[${at}].name`;
      found.push(...qualifiedNameProblems(name).map((problem) => wrong(place, name, problem)));
      if (managed.has(name)) found.push(wrong(place, name, 'duplicate extender managed resource name'));
      managed.add(name);
    }
    return found;
  });
  const binders = extenders.filter(({ bindVerb }) => bindVerb).length;
  if (binders > 1) {
    const what = `found ${binders} extenders implementing bind`;
    problems.push(wrong('extenders', what, 'only one extender can implement bind'));
  }
  return problems;
}

/** Source: client-go `TLSConfigFor`. */
function tlsProblems({ tlsConfig = {} }: ExtenderSpec, path: string): readonly string[] {
  const { insecure, caData, caFile, certData, certFile, keyData, keyFile } = tlsConfig;
  const problems: string[] = [];
  if (insecure === true && (caData || caFile))
    problems.push(wrong(path, 'insecure', 'specifying a root certificates file with the insecure flag is not allowed'));
  if (Boolean(certData || certFile) !== Boolean(keyData || keyFile))
    problems.push(`${path}: Required value: a certificate and its key have to be given together`);
  return problems;
}
