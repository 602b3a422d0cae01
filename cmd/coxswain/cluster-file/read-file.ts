/**
 * Reads a cluster file: checks it whole, with the path of each field that is wrong, and says the same by flags. Files that it names are relative to
 * it. Nothing is started or changed here.
 */
import { dirname, resolve } from 'node:path';
import { wrongConfig } from '#cmd/common/config-file.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123SubdomainProblems, labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { flagsOfComponent } from '#pkg/cluster/component-flags.ts';
import { type NodeSpec, type NodeTaint, taintName } from '#pkg/cluster/node-spec.ts';
import { defaultScheduling } from '#pkg/cluster/scheduler-flags.ts';
import { defaultSettings, nodeNameAt, nodesMax } from '#pkg/cluster/settings.ts';
import type { ClusterTables } from '#pkg/cluster/tables.ts';
import { documentProblems } from '#pkg/component/document-check.ts';
import { flagOf } from '#pkg/component/flags.ts';
import { readDocuments } from '#pkg/kubectl/files.ts';
import { isName } from '../world.ts';
import type { ClusterFile } from './cluster-file.ts';
import { fileSchema } from './schema.ts';

/** Problems that one message names; of further ones it gives the number. */
const problemsMax = 5;

/** The file as the schema has let it through. */
interface FileFields {
  readonly name?: string;
  readonly nodes?: readonly NodeFields[];
  readonly runtimes?: readonly string[];
  readonly networking?: { readonly mode?: string };
  readonly store?: StoreFields;
  readonly apiServer?: { readonly port?: number; readonly encryptionProviderConfig?: string };
  readonly controlPlanes?: number;
  readonly processes?: boolean;
  readonly virtualTime?: boolean;
  readonly scheduling?: { readonly profile?: string; readonly configFile?: string };
  readonly components?: JsonObject;
  readonly logLevel?: string;
  readonly kubeconfig?: string;
  readonly crds?: readonly string[];
  readonly manifests?: readonly string[];
  readonly addons?: readonly string[];
}

interface StoreFields {
  readonly driver?: string;
  readonly endpoints?: readonly string[];
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly username?: string;
  readonly passwordFile?: string;
}

interface NodeFields {
  readonly name?: string;
  readonly count?: number;
  readonly roles?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly NodeTaint[];
  readonly runtimes?: readonly string[];
  readonly capacity?: Readonly<Record<string, string>>;
}

/** What a file is read with: the tables, and what the command line says in place of it. */
export interface FileContext {
  readonly tables: ClusterTables;
  readonly name?: string;
  readonly runtimes?: readonly string[];
}

/** Checks a mapping that `path` holds and says what it means. Throws `UserError` for what is wrong, and for manifests that cannot be read. */
export async function readClusterFile(path: string, document: JsonObject, context: FileContext): Promise<ClusterFile> {
  const { tables } = context;
  const { errors, unknown } = documentProblems(fileSchema, document);
  const problems = [...unknown.map((one) => one.replace(/^unknown field "(.*)"$/, '$1: unknown field')), ...errors];
  refuse(path, problems);
  const fields: FileFields = areFields(document, problems) ? document : {};
  const { name = defaultSettings.name, runtimes = [defaultSettings.runtime] } = fields;
  const specs =
    fields.nodes === undefined
      ? undefined
      : specsOf(fields.nodes, { clusterName: context.name ?? name, runtimes: context.runtimes ?? runtimes });
  refuse(path, [
    ...(isName(name) ? [] : ['name: must be at most 40 lower-case letters, digits and dashes']),
    ...runtimeProblems(runtimes, 'runtimes'),
    ...(fields.nodes ?? []).flatMap((node, index) =>
      nodeProblems(node, `nodes[${index}]`, context.runtimes ?? runtimes),
    ),
    ...nameProblems(specs ?? []),
    ...storeProblems(fields.store ?? {}),
  ]);
  const folder = dirname(resolve(path));
  const absolute = (paths: readonly string[] = []): readonly string[] => paths.map((one) => resolve(folder, one));
  const objects = { crds: absolute(fields.crds), manifests: absolute(fields.manifests), addons: fields.addons ?? [] };
  await checkManifests(path, objects);
  return {
    path,
    flags: {
      ...flagsIn(fields, folder),
      ...(await componentsIn(fields, folder, tables)),
      ...(specs === undefined ? {} : { nodes: specs.length }),
    },
    ...(specs === undefined ? {} : { nodeSpecs: specs }),
    objects,
  };
}

/** What the schema has no problem with has the fields that it says. */
function areFields(document: JsonObject, problems: readonly string[]): document is FileFields & JsonObject {
  return problems.length === 0 && isObject(document);
}

function refuse(path: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length - problemsMax;
  throw wrongConfig(path, `${problems.slice(0, problemsMax).join('; ')}${more > 0 ? ` and ${more} more` : ''}`);
}

/** One for each node. */
function specsOf(
  nodes: readonly NodeFields[],
  cluster: { readonly clusterName: string; readonly runtimes: readonly string[] },
): readonly NodeSpec[] {
  const all = cluster.runtimes.join(',');
  const specs: NodeSpec[] = [];
  for (const { name, count, runtimes, ...rest } of nodes) {
    const total = Math.min(count ?? 1, nodesMax + 1 - specs.length);
    for (let index = 1; index <= total; index++) {
      const ownName = name === undefined || count === undefined ? name : `${name}-${index}`;
      specs.push({
        name: ownName ?? nodeNameAt(cluster.clusterName, specs.length),
        ...rest,
        ...(runtimes === undefined || runtimes.join(',') === all ? {} : { runtime: runtimes.join(',') }),
      });
    }
  }
  return specs;
}

function nameProblems(specs: readonly NodeSpec[]): readonly string[] {
  const seen = new Set<string>();
  const twice = specs.find(({ name }) => seen.size === seen.add(name).size);
  return [
    ...(specs.length > nodesMax ? [`nodes: must be at most ${nodesMax} nodes`] : []),
    ...(twice === undefined ? [] : [`nodes: the name ${JSON.stringify(twice.name)} is there twice`]),
  ];
}

function runtimeProblems(
  runtimes: readonly string[],
  path: string,
  known: readonly string[] = runtimes,
): readonly string[] {
  if (runtimes.length === 0) return [`${path}: must name one`];
  const other = runtimes.find((name) => !known.includes(name));
  return [
    ...(new Set(runtimes).size === runtimes.length ? [] : [`${path}: one is there twice`]),
    ...(other === undefined
      ? []
      : [`${path}: ${JSON.stringify(other)} is none of the cluster's runtimes (${known.join(', ')})`]),
  ];
}

function nodeProblems(node: NodeFields, path: string, runtimes: readonly string[]): readonly string[] {
  const { name, roles = [], labels = {}, taints = [], capacity = {} } = node;
  const told = (at: string, problems: readonly string[]): readonly string[] =>
    problems.slice(0, 1).map((one) => `${path}.${at}: ${one}`);
  return [
    ...(name === undefined ? [] : told('name', dns1123SubdomainProblems(name))),
    ...roles.flatMap((role, index) =>
      told(`roles[${index}]`, qualifiedNameProblems(`node-role.kubernetes.io/${role}`)),
    ),
    ...Object.entries(labels).flatMap(([key, value]) =>
      told(`labels[${key}]`, [...qualifiedNameProblems(key), ...labelValueProblems(value)]),
    ),
    ...taints.flatMap(({ key, value = '' }, index) =>
      told(`taints[${index}]`, [...qualifiedNameProblems(key), ...labelValueProblems(value)]),
    ),
    ...taintTwice(taints, path),
    ...Object.entries(capacity).flatMap(([resource, amount]) =>
      told(`capacity[${resource}]`, [...qualifiedNameProblems(resource), ...amountProblems(amount)]),
    ),
    ...(node.runtimes === undefined ? [] : runtimeProblems(node.runtimes, `${path}.runtimes`, runtimes)),
  ];
}

function taintTwice(taints: readonly NodeTaint[], path: string): readonly string[] {
  const names = taints.map(taintName);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  return twice === undefined ? [] : [`${path}.taints: ${twice} is there twice`];
}

function amountProblems(text: string): readonly string[] {
  const amount = parseQuantity(text);
  return amount === undefined || quantityValue(amount) < 0 ? ['must be an amount such as 4, 500m or 16Gi'] : [];
}

function storeProblems(store: StoreFields): readonly string[] {
  const { driver, endpoints = [] } = store;
  if (driver === 'etcd' && endpoints.length === 0) return ['store.endpoints: Required value'];
  if (driver !== undefined && driver !== 'etcd' && endpoints.length > 0)
    return [`store.endpoints: the driver ${driver} has none`];
  return [];
}

/** Manifests are read before anything starts. */
async function checkManifests(
  path: string,
  objects: Readonly<Record<'crds' | 'manifests', readonly string[]>>,
): Promise<void> {
  for (const field of ['crds', 'manifests'] as const) {
    for (const [index, file] of objects[field].entries()) {
      try {
        const documents = await readDocuments([file], { recursive: false, readStdin: async () => '' });
        const other = documents.find(
          ({ document }) => field === 'crds' && document.kind !== 'CustomResourceDefinition',
        );
        if (other !== undefined) throw new Error(`${other.source} has something else than definitions of resources`);
      } catch (error) {
        throw wrongConfig(path, `${field}[${index}]: ${errorText(error).replace(/^error: /, '')}`);
      }
    }
  }
}

/** The fields that flags have too, under the names of those. */
function flagsIn(fields: FileFields, folder: string): JsonObject {
  const file = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : resolve(folder, name);
  const { store = {}, apiServer = {}, scheduling = {} } = fields;
  const flags: JsonObject = {
    name: fields.name,
    runtime: fields.runtimes?.join(','),
    network: fields.networking?.mode,
    store: store.endpoints === undefined ? store.driver : store.endpoints.join(','),
    etcdCafile: file(store.caFile),
    etcdCertfile: file(store.certFile),
    etcdKeyfile: file(store.keyFile),
    etcdUsername: store.username,
    etcdPasswordFile: file(store.passwordFile),
    apiPort: apiServer.port,
    encryptionProviderConfig: file(apiServer.encryptionProviderConfig),
    controlPlanes: fields.controlPlanes,
    processes: fields.processes,
    virtualTime: fields.virtualTime,
    // The default is said by nothing being said, which is how clusters without a file have it.
    scheduling: scheduling.profile === defaultScheduling ? undefined : scheduling.profile,
    schedulerConfig: file(scheduling.configFile),
    logLevel: fields.logLevel,
    kubeconfig: file(fields.kubeconfig),
    addons: fields.addons,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** Flags of components; those that name files are relative to the cluster file as all others. */
async function componentsIn(
  { components: given, scheduling }: FileFields,
  folder: string,
  tables: ClusterTables,
): Promise<JsonObject> {
  const components = given ?? (scheduling?.profile === undefined ? undefined : {});
  if (components === undefined) return {};
  const result: Record<string, unknown> = {};
  for (const [component, fields] of Object.entries(components)) {
    const table = (await flagsOfComponent(component, tables)) ?? {};
    const isFile = (field: string): boolean => table[flagOf(field)]?.placeholder === 'file';
    result[component] = isObject(fields)
      ? Object.fromEntries(
          Object.entries(fields).map(([field, value]) => [
            field,
            isFile(field) && typeof value === 'string' && value !== '' ? resolve(folder, value) : value,
          ]),
        )
      : fields;
  }
  return { components: result };
}
