/**
 * Reads a cluster file: checks it whole, with the path of each field that is wrong, and says the same by flags. Files that it names are relative to
 * it. Nothing is started or changed here.
 */
import { dirname, resolve } from 'node:path';
import { wrongConfig } from '#cmd/common/config-file.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { defaultScheduling } from '#pkg/cluster/scheduler-flags.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import type { ClusterTables } from '#pkg/cluster/tables.ts';
import { documentProblems } from '#pkg/component/document-check.ts';
import { readDocuments } from '#pkg/kubectl/files.ts';
import { isName } from '../world.ts';
import type { ClusterFile } from './cluster-file.ts';
import { componentsIn, ownFieldProblems } from './component-fields.ts';
import { allNodeProblems, type NodeFields, nodeProblems, runtimeProblems, specsOf } from './node-fields.ts';
import { fileSchema } from './schema.ts';

/** Problems that one message names; of further ones it gives the number. */
const problemsMax = 5;

/** The file as the schema has let it through. */
interface FileFields {
  readonly name?: string;
  readonly nodes?: readonly NodeFields[];
  readonly runtimes?: readonly string[];
  readonly networking?: { readonly mode?: string; readonly podSubnet?: string; readonly serviceSubnet?: string };
  readonly store?: StoreFields;
  readonly apiServer?: ApiServerFields;
  readonly controlPlanes?: number;
  readonly processes?: boolean;
  readonly virtualTime?: boolean;
  readonly scheduling?: { readonly profile?: string; readonly configFile?: string };
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

interface ApiServerFields {
  readonly port?: number;
  readonly encryptionProviderConfig?: string;
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
  const { name = defaultSettings.name, runtimes = [defaultSettings.runtime], networking = {} } = fields;
  const { podSubnet, serviceSubnet } = networking;
  const folder = dirname(resolve(path));
  const cluster = { clusterName: context.name ?? name, runtimes: context.runtimes ?? runtimes, folder };
  const specs = fields.nodes === undefined ? undefined : specsOf(fields.nodes, cluster);
  refuse(path, [
    ...(isName(name) ? [] : ['name: must be at most 40 lower-case letters, digits and dashes']),
    ...runtimeProblems(runtimes, 'runtimes'),
    ...(fields.nodes ?? []).flatMap((node, index) => nodeProblems(node, `nodes[${index}]`, cluster)),
    ...allNodeProblems(specs ?? []),
    ...storeProblems(fields.store ?? {}),
    ...(await ownFieldProblems(document, folder)),
  ]);
  const absolute = (paths: readonly string[] = []): readonly string[] => paths.map((one) => resolve(folder, one));
  const objects = { crds: absolute(fields.crds), manifests: absolute(fields.manifests), addons: fields.addons ?? [] };
  await checkManifests(path, objects);
  return {
    path,
    flags: {
      ...flagsIn(fields, folder),
      ...(await componentsIn(document, folder, tables)),
      ...(specs === undefined ? {} : { nodes: specs.length }),
    },
    ...(specs === undefined ? {} : { nodeSpecs: specs }),
    ranges: {
      ...(podSubnet === undefined ? {} : { podCidr: podSubnet }),
      ...(serviceSubnet === undefined ? {} : { serviceCidr: serviceSubnet }),
    },
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
