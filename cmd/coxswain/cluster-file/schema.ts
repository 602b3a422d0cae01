/** The fields of a cluster file as a JSON Schema, from which its check and the table of the documents follow. What a schema cannot say is in `read-file.ts`. */
import { networkTable } from '#pkg/cluster/networks.ts';
import { mappedProtocols, taintEffects } from '#pkg/cluster/node-spec.ts';
import { runtimeTable } from '#pkg/cluster/runtimes.ts';
import { schedulings } from '#pkg/cluster/scheduler-flags.ts';
import { controlPlanesMax, defaultSettings, nodesMax } from '#pkg/cluster/settings.ts';
import { logLevels } from '#pkg/component/logger.ts';

/** The version of the fields. */
export const fileVersion = 'coxswain.dev/v1alpha1';

/** The kind of such a file. */
export const fileKind = 'Cluster';

/** A part of the schema, as far as it is read here. */
type FieldSchema = {
  readonly type: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly additionalProperties?: false | FieldSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
};

const text = (description: string, more: Partial<FieldSchema> = {}): FieldSchema => ({
  type: 'string',
  description,
  ...more,
});
const texts = (description: string, items: Partial<FieldSchema> = {}): FieldSchema => ({
  type: 'array',
  items: { type: 'string', ...items },
  description,
});
const map = (description: string, type = 'string'): FieldSchema => ({
  type: 'object',
  additionalProperties: { type },
  description,
});
const port = (description: string, minimum: number): FieldSchema => ({
  type: 'integer',
  minimum,
  maximum: 65_535,
  description,
});
const object = (properties: Readonly<Record<string, FieldSchema>>, required: readonly string[] = []): FieldSchema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...(required.length === 0 ? {} : { required }),
});

const node = object({
  name: text('Name of the node; of several, what their names begin with. Default: CLUSTER-node-N.'),
  count: {
    type: 'integer',
    minimum: 1,
    maximum: nodesMax,
    description: 'How many such nodes. Default: 1. Named ones are NAME-1 and on.',
  },
  roles: texts('What `kubectl get nodes` says it is, by labels `node-role.kubernetes.io/ROLE`.'),
  labels: map('Labels of the node.'),
  taints: {
    type: 'array',
    items: object(
      {
        key: text('Key of the taint.'),
        value: text('Its value. Default: none.'),
        effect: text('What it does.', { enum: taintEffects }),
      },
      ['key', 'effect'],
    ),
  },
  runtimes: texts(
    'Those of the cluster’s runtimes that the node has; the first is for pods without a RuntimeClass. Default: all.',
    {
      enum: Object.keys(runtimeTable),
    },
  ),
  capacity: map(
    'Amounts that the node offers (cpu, memory, pods, …) and extended resources. Default: its part of the machine.',
  ),
  extraMounts: {
    type: 'array',
    items: object(
      {
        hostPath: text('A file or folder of the machine, which must be there.'),
        containerPath: text('The absolute path at which volumes of `hostPath` find it on the node.'),
        readOnly: { type: 'boolean', description: 'Whether no container may write there. Default: false.' },
      },
      ['hostPath', 'containerPath'],
    ),
  },
  extraPortMappings: {
    type: 'array',
    items: object(
      {
        containerPort: port('Port of the node, such as a node port.', 1),
        hostPort: port('Port of the machine that answers for it.', 1),
        listenAddress: text('IPv4 address of the machine, or 0.0.0.0 for all. Default: 127.0.0.1.'),
        protocol: text('Default: TCP.', { enum: mappedProtocols }),
      },
      ['containerPort', 'hostPort'],
    ),
  },
});

/** The whole file. */
export const fileSchema: FieldSchema = object(
  {
    apiVersion: text('The version of this file.', { enum: [fileVersion] }),
    kind: text('What this file is.', { enum: [fileKind] }),
    name: text(`Name of the cluster. Default: ${defaultSettings.name}.`),
    nodes: { type: 'array', items: node, minItems: 1 },
    runtimes: texts(
      `How pods run; the first is for pods without a RuntimeClass. Default: ${defaultSettings.runtime}.`,
      {
        enum: Object.keys(runtimeTable),
      },
    ),
    networking: object({
      mode: text(`How pods are reached. Default: ${defaultSettings.network}.`, { enum: Object.keys(networkTable) }),
      podSubnet: text('Range of pods, a /24 for each node. Default: one that no other cluster has.'),
      serviceSubnet: text('Range of Services. Default: one that no other cluster has.'),
    }),
    store: object({
      driver: text('Where the API server keeps its data. Default: lmdb; etcd where there are endpoints.', {
        enum: ['lmdb', 'memory', 'etcd'],
      }),
      endpoints: texts('Addresses of etcd members, all with the same path if any.'),
      caFile: text('PEM file of the authority of an etcd at https://.'),
      certFile: text('PEM file of the certificate to show to etcd.'),
      keyFile: text('PEM file of its key.'),
      username: text('User of an etcd that has users.'),
      passwordFile: text('File with its password.'),
    }),
    apiServer: object({
      port: port('Port of the API server. Default, and 0: 6443 or another free one.', 0),
      encryptionProviderConfig: text(
        'An EncryptionConfiguration file: what the store has unreadable, and by which keys.',
      ),
      authenticationConfigFile: text(
        'An AuthenticationConfiguration file: issuers whose JWTs count, and where anonymous requests may come.',
      ),
      authorizationConfigFile: text(
        'An AuthorizationConfiguration file: who decides, in order. Node and RBAC must be among them. Default: these two.',
      ),
      auditPolicyFile: text('A Policy file: which requests are audited, and how closely.'),
      auditLogPath: text('File for audit events, a line each.'),
      admissionConfigFile: text('An AdmissionConfiguration file: how admission plugins are configured.'),
      enableAdmissionPlugins: texts('Admission plugins that run beside those that do by default.'),
      disableAdmissionPlugins: texts('Admission plugins that do not run, of those that do by default.'),
      runtimeConfig: map(
        'Versions that are served beyond the default, or not: api/all, GROUP/VERSION, GROUP/VERSION/RESOURCE.',
        'boolean',
      ),
    }),
    controlPlanes: {
      type: 'integer',
      minimum: 1,
      maximum: controlPlanesMax,
      description:
        'How many API servers, schedulers and controller managers, with `processes` and an etcd. Default: 1.',
    },
    processes: { type: 'boolean', description: 'Whether each component is a process of its own. Default: false.' },
    virtualTime: {
      type: 'boolean',
      description: 'Whether its time is steered by `coxswain time`. Default: false.',
    },
    scheduling: object({
      profile: text('How pods are laid out. Default: packing.', { enum: schedulings }),
      configFile: text('A KubeSchedulerConfiguration file with profiles and extenders.'),
    }),
    featureGates: map(
      'Feature gates of all components, by name: those of Kubernetes 1.36, each in a state that it can be in here.',
      'boolean',
    ),
    components: {
      type: 'object',
      description: 'Flags of single components as fields, such as `kube-controller-manager: {nodeMonitorPeriod: 2s}`.',
    },
    logLevel: text('Least level that is logged. Default: warn.', { enum: logLevels }),
    kubeconfig: text('Kubeconfig that the context is merged into. Default: $KUBECONFIG, then ~/.kube/config.'),
    crds: texts('Files and folders with definitions of resources, applied first and waited for.'),
    manifests: texts('Files and folders of objects that are applied once the nodes are ready.'),
    addons: texts('Addons that are enabled after that.'),
  },
  ['apiVersion', 'kind'],
);

/** One line of the table of fields. */
export interface FieldRow {
  /** Such as `nodes[].taints[].key`. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
}

/** Every field that holds a value, in the order of the schema. */
export function fieldRows(schema: FieldSchema = fileSchema, under = ''): readonly FieldRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${under}${name}`;
    const { items } = field;
    if (items?.properties !== undefined) return fieldRows(items, `${path}[].`);
    if (field.properties !== undefined) return fieldRows(field, `${path}.`);
    const one = (items ?? field).enum?.map((word) => `\`${word}\``).join(', ');
    const base = one ?? (field.type === 'object' ? 'map' : items === undefined ? String(field.type) : 'strings');
    return [
      {
        path,
        type: items !== undefined && one !== undefined ? `list of ${base}` : base,
        description: String(field.description),
      },
    ];
  });
}
