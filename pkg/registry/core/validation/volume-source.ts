/**
 * Rules for what a volume is made of, one entry per kind of source. Pods and persistent volumes share most of them.
 * Source: upstream `validateVolumeSource` and the functions it calls.
 */
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  AzureFilePersistentVolumeSource,
  CinderPersistentVolumeSource,
  CSIPersistentVolumeSource,
  CSIVolumeSource,
  FCVolumeSource,
  FlexPersistentVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GlusterfsPersistentVolumeSource,
  HostPathVolumeSource,
  ISCSIPersistentVolumeSource,
  NFSVolumeSource,
  PersistentVolumeSpec,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDPersistentVolumeSource,
  ScaleIOPersistentVolumeSource,
  SecretReference,
  StorageOSPersistentVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from '#pkg/api/types/core-v1.ts';
import { type FieldsWith, fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  notSupported,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkNoBacksteps } from '../../validation/paths.ts';

/** What a rule may look at beside the source itself. */
export interface VolumeOwner {
  /** Name of the volume within its pod, or of the persistent volume. */
  readonly name: string;
  /** Whether this is a persistent volume: its secrets may be in any namespace and say which. */
  readonly isPersistent: boolean;
}

/** Checks what stands under the name of one kind of source, such as `spec.volumes[0].hostPath`, at `path`. */
export type SourceRule<Source> = (
  into: Collector,
  source: Given<Source>,
  path: FieldPath<Source>,
  owner: VolumeOwner,
) => void;

/** Rules by the field of a `Holder` that has the source, in the order in which upstream looks for them. */
export type SourceRules<Holder> = {
  readonly [Name in keyof Holder & string]?: SourceRule<NonNullable<Holder[Name]>>;
};

/** A rule that some texts are there. */
export function needs<Source>(...fields: readonly FieldsWith<Source, string>[]): SourceRule<Source>;
export function needs(...fields: readonly string[]): SourceRule<JsonObject> {
  return (into, source, path) => {
    for (const field of fields) into.needsText(child(path, field), source[field]);
  };
}

/** A rule that the list of monitors is not empty. */
function needsMonitors(
  into: Collector,
  { monitors }: { readonly monitors?: readonly string[] | null },
  path: FieldPath<{ readonly monitors: unknown }>,
): void {
  if ((monitors ?? []).length === 0) into.add(required(child(path, 'monitors')));
}

/** One rule after the other. */
function all<Source>(...rules: readonly SourceRule<Source>[]): SourceRule<Source> {
  return (into, source, path, owner) => {
    for (const rule of rules) rule(into, source, path, owner);
  };
}

const byteMax = 255;

interface Partitioned {
  readonly partition?: number;
}

function checkPartition(into: Collector, source: Partitioned, path: FieldPath<Partitioned>): void {
  const partition = source.partition ?? 0;
  if (partition < 0 || partition > byteMax) {
    into.add(invalid(child(path, 'partition'), partition, `must be between 1 and ${byteMax}, inclusive`));
  }
}

function checkLun(into: Collector, lun: number, path: FieldPath<{ readonly lun?: number }>): void {
  if (lun < 0 || lun > byteMax) {
    into.add(invalid(child(path, 'lun'), lun, `must be between 0 and ${byteMax}, inclusive`));
  }
}

interface WithSecret {
  readonly secretRef?: SecretReference | null;
}

/** The name of a secret, and for persistent volumes its namespace. */
function checkSecretRef(
  into: Collector,
  { secretRef: ref }: Given<WithSecret>,
  path: FieldPath<WithSecret>,
  { isPersistent }: VolumeOwner,
): void {
  if (!ref) return;
  into.needsText(child(child(path, 'secretRef'), 'name'), ref.name);
  if (isPersistent) into.needsText(child(child(path, 'secretRef'), 'namespace'), ref.namespace);
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

function checkHostPath(
  into: Collector,
  source: Given<HostPathVolumeSource>,
  path: FieldPath<HostPathVolumeSource>,
): void {
  if (!into.needsText(child(path, 'path'), source.path)) return;
  checkNoBacksteps(into, source.path, child(path, 'path'));
  into.oneOf(child(path, 'type'), source.type, hostPathTypes);
}

const initiatorFormats: Readonly<Record<string, RegExp>> = {
  iqn: /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[A-Za-z0-9]{16}$/,
  naa: /^naa.[A-Za-z0-9]{32}$/,
};

/** The name of one end of an iSCSI connection. */
function checkInitiator(into: Collector, name: string, path: FieldPath): void {
  const format = initiatorFormats[name.slice(0, 3)];
  if (format === undefined) into.add(invalid(path, name, 'must be valid format starting with iqn, eui, or naa'));
  else if (!format.test(name)) into.add(invalid(path, name, 'must be valid format'));
}

const portalNameMax = 64;

function checkIscsi(
  into: Collector,
  source: Given<ISCSIPersistentVolumeSource>,
  path: FieldPath<ISCSIPersistentVolumeSource>,
  owner: VolumeOwner,
): void {
  const portal = source.targetPortal ?? '';
  into.needsText(child(path, 'targetPortal'), portal);
  if (into.needsText(child(path, 'iqn'), source.iqn)) checkInitiator(into, source.iqn, child(path, 'iqn'));
  checkLun(into, source.lun ?? 0, path);
  const usesChap = source.chapAuthDiscovery === true || source.chapAuthSession === true;
  if (usesChap && source.secretRef === undefined) into.add(required(child(path, 'secretRef')));
  const initiator = source.initiatorName;
  if (typeof initiator !== 'string') return;
  checkInitiator(into, initiator, misnamed(path, 'initiatorname'));
  if (`${owner.name}:${portal}`.length > portalNameMax) {
    const detail =
      'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';
    into.add(invalid(misnamed(path, 'targetportal'), portal, detail));
  }
}

function checkFibreChannel(into: Collector, source: Given<FCVolumeSource>, path: FieldPath<FCVolumeSource>): void {
  const names = source.targetWWNs ?? [];
  const own = child(path, 'targetWWNs');
  if (names.length === 0 && (source.wwids ?? []).length === 0) {
    into.add(required(own, 'must specify either targetWWNs or wwids, but not both'));
  }
  if (names.length > 0 && (source.wwids ?? []).length > 0) {
    into.add(invalid(own, names, 'targetWWNs and wwids can not be specified simultaneously'));
  }
  if (names.length === 0) return;
  const lun = source.lun;
  if (lun === undefined) into.add(required(child(path, 'lun'), 'lun is required if targetWWNs is specified'));
  else checkLun(into, lun, path);
}

function checkFlexVolume(
  into: Collector,
  source: Given<FlexPersistentVolumeSource>,
  path: FieldPath<FlexPersistentVolumeSource>,
): void {
  into.needsText(child(path, 'driver'), source.driver);
  for (const key of Object.keys(source.options ?? {})) {
    if (!/(^|\.)(kubernetes|k8s)\.io$/i.test(key.split('/', 1).join())) continue;
    into.add(invalid(at(child(path, 'options'), key), key, 'kubernetes.io and k8s.io namespaces are reserved'));
  }
}

const tenantLengthMax = 64;

function checkQuobyte(into: Collector, source: Given<QuobyteVolumeSource>, path: FieldPath<QuobyteVolumeSource>): void {
  const registry = source.registry ?? '';
  const detail = 'must be a host:port pair or multiple pairs separated by commas';
  if (registry === '') into.add(required(child(path, 'registry'), detail));
  else if ((source.tenant ?? '').length > tenantLengthMax) {
    into.add(required(child(path, 'tenant'), 'must be a UUID and may not exceed a length of 64 characters'));
  } else if (!registry.split(',').every((pair) => /^(\[[^\]]*\]|[^:]*):[^:]*$/.test(pair))) {
    into.add(invalid(child(path, 'registry'), registry, detail));
  }
  into.needsText(child(path, 'volume'), source.volume);
}

function checkFlocker(into: Collector, source: Given<FlockerVolumeSource>, path: FieldPath<FlockerVolumeSource>): void {
  const name = source.datasetName ?? '';
  const uuid = source.datasetUUID ?? '';
  if (name === '' && uuid === '') into.add(required(path, 'one of datasetName and datasetUUID is required'));
  if (name !== '' && uuid !== '') {
    into.add(invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'));
  }
  if (name.includes('/')) into.add(invalid(child(path, 'datasetName'), name, "must not contain '/'"));
}

const managedDisk = {
  prefix: '/subscriptions/',
  form: '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}',
};
const blobDisk = {
  prefix: 'https://',
  form: 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd',
};

function checkAzureDisk(
  into: Collector,
  source: Given<AzureDiskVolumeSource>,
  path: FieldPath<AzureDiskVolumeSource>,
): void {
  into.needsText(child(path, 'diskName'), source.diskName);
  into.needsText(child(path, 'diskURI'), source.diskURI);
  into.oneOf(child(path, 'cachingMode'), source.cachingMode, ['None', 'ReadOnly', 'ReadWrite']);
  into.oneOf(child(path, 'kind'), source.kind, ['Dedicated', 'Managed', 'Shared']);
  if (source.kind === undefined) return;
  const uri = source.diskURI ?? '';
  const { prefix, form } = source.kind === 'Managed' ? managedDisk : blobDisk;
  if (!uri.startsWith(prefix)) into.add(notSupported(child(path, 'diskURI'), uri, [form]));
}

function checkAzureFile(
  into: Collector,
  source: Given<AzureFilePersistentVolumeSource>,
  path: FieldPath<AzureFilePersistentVolumeSource>,
  { isPersistent }: VolumeOwner,
): void {
  into.needsText(child(path, 'secretName'), source.secretName);
  into.needsText(child(path, 'shareName'), source.shareName);
  if (isPersistent && source.secretNamespace === '') into.add(required(child(path, 'secretNamespace')));
}

function checkGlusterfs(
  into: Collector,
  source: Given<GlusterfsPersistentVolumeSource>,
  path: FieldPath<GlusterfsPersistentVolumeSource>,
): void {
  into.needsText(child(path, 'endpoints'), source.endpoints);
  into.needsText(child(path, 'path'), source.path);
  const namespace = source.endpointsNamespace;
  if (typeof namespace !== 'string') return;
  const own = child(path, 'endpointsNamespace');
  if (namespace === '') {
    into.add(invalid(own, namespace, 'if the endpointnamespace is set, it must be a valid namespace name'));
  } else into.problems(own, namespace, dns1123LabelProblems(namespace));
}

function checkStorageOs(
  into: Collector,
  source: Given<StorageOSPersistentVolumeSource>,
  path: FieldPath<StorageOSPersistentVolumeSource>,
): void {
  into.needsName(child(path, 'volumeName'), source.volumeName, dns1123LabelProblems);
  into.mayName(child(path, 'volumeNamespace'), source.volumeNamespace, dns1123LabelProblems);
}

const driverNameMax = 63;

/** Checks the name of a CSI driver. */
export function checkCsiDriverName(into: Collector, name: unknown, path: FieldPath): void {
  const text = typeof name === 'string' ? name : '';
  into.needsText(path, text);
  if (text.length > driverNameMax) into.add(tooLong(path, driverNameMax));
  into.problems(path, text, dns1123SubdomainProblems(text.toLowerCase()));
}

const persistentSecrets = fields(
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
);

const checkPersistentCsi: SourceRule<CSIPersistentVolumeSource> = (into, source, path) => {
  checkCsiDriverName(into, source.driver, child(path, 'driver'));
  into.needsText(child(path, 'volumeHandle'), source.volumeHandle);
  for (const field of persistentSecrets) {
    const ref = source[field];
    if (!ref) continue;
    into.needsName(child(child(path, field), 'name'), ref.name, dns1123SubdomainProblems);
    into.needsName(child(child(path, field), 'namespace'), ref.namespace, dns1123LabelProblems);
  }
};

/** The source that only pods have. */
export const checkPodCsi: SourceRule<CSIVolumeSource> = (into, source, path) => {
  checkCsiDriverName(into, source.driver, child(path, 'driver'));
  const own = child(path, 'nodePublishSecretRef');
  const ref = source.nodePublishSecretRef;
  if (ref) into.needsName(child(own, 'name'), ref.name, dns1123SubdomainProblems);
};

const checkNfs: SourceRule<NFSVolumeSource> = (into, source, path) => {
  into.needsText(child(path, 'server'), source.server);
  into.needsText(child(path, 'path'), source.path);
  const folder = source.path ?? '';
  if (!folder.startsWith('/')) into.add(invalid(child(path, 'path'), folder, 'must be an absolute path'));
};

/** The sources of persistent volumes but for `local`, most of which pods have too, in the order in which upstream looks for them. */
export const sharedSources = {
  hostPath: checkHostPath,
  gcePersistentDisk: all<GCEPersistentDiskVolumeSource>(needs('pdName'), checkPartition),
  awsElasticBlockStore: all<AWSElasticBlockStoreVolumeSource>(needs('volumeID'), checkPartition),
  glusterfs: checkGlusterfs,
  flocker: checkFlocker,
  nfs: checkNfs,
  rbd: (into: Collector, source: Given<RBDPersistentVolumeSource>, path: FieldPath<RBDPersistentVolumeSource>) => {
    needsMonitors(into, source, path);
    into.needsText(child(path, 'image'), source.image);
  },
  quobyte: checkQuobyte,
  cephfs: needsMonitors,
  iscsi: checkIscsi,
  cinder: all<CinderPersistentVolumeSource>(needs('volumeID'), checkSecretRef),
  fc: checkFibreChannel,
  flexVolume: checkFlexVolume,
  azureFile: checkAzureFile,
  vsphereVolume: needs<VsphereVirtualDiskVolumeSource>('volumePath'),
  photonPersistentDisk: needs<PhotonPersistentDiskVolumeSource>('pdID'),
  portworxVolume: needs<PortworxVolumeSource>('volumeID'),
  azureDisk: checkAzureDisk,
  scaleIO: needs<ScaleIOPersistentVolumeSource>('gateway', 'system', 'volumeName'),
  storageos: all<StorageOSPersistentVolumeSource>(checkStorageOs, checkSecretRef),
  csi: checkPersistentCsi,
} satisfies SourceRules<PersistentVolumeSpec>;

/** Where upstream reports on a source when that is not under its own name. */
const reportedUnder: Readonly<Record<string, string>> = { gcePersistentDisk: 'persistentDisk' };

type UntypedRule = (into: Collector, source: JsonObject, path: FieldPath, owner: VolumeOwner) => void;

interface Sources<Holder> {
  readonly path: FieldPath<Holder>;
  readonly rules: SourceRules<Holder>;
  readonly owner: VolumeOwner;
}

/** Checks that an object has exactly one of the sources that `rules` knows, and checks that one. */
export function checkOneSource<Holder>(into: Collector, holder: NoInfer<Given<Holder>>, sources: Sources<Holder>): void;
export function checkOneSource(
  into: Collector,
  holder: Readonly<JsonObject>,
  { path, rules, owner }: { path: FieldPath; rules: Record<string, UntypedRule | undefined>; owner: VolumeOwner },
): void {
  let found = 0;
  for (const [name, rule] of Object.entries(rules)) {
    const source = holder[name];
    if (rule === undefined || !isObject(source)) continue;
    found++;
    if (found > 1) into.add(forbiddenField(child(path, name), 'may not specify more than 1 volume type'));
    else rule(into, source, child(path, reportedUnder[name] ?? name), owner);
  }
  if (found === 0) into.add(required(path, 'must specify a volume type'));
}
