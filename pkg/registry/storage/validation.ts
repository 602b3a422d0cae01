/** Rules for the kinds of `storage.k8s.io`. Source: upstream `pkg/apis/storage/validation`. */
import type { TopologySelectorTerm } from '#pkg/api/types/core-v1.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '#pkg/api/types/storage-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
  tooLong,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { checkCsiDriverName } from '../core/validation/volume-source.ts';
import { semanticallySame, without } from '../draft.ts';
import { compareQuantities } from '../quantities.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const classField = pathsOf<StorageClass>();
const attributesField = pathsOf<VolumeAttributesClass>();
const attachmentField = pathsOf<VolumeAttachment>();
const nodeField = pathsOf<CSINode>();
const driverField = pathsOf<CSIDriver>();
const capacityField = pathsOf<CSIStorageCapacity>();

const parametersMax = 512;
const parameterBytesMax = 256 * 1024;

function checkParameters(into: Collector, parameters: Readonly<Record<string, string>>): void {
  const entries = Object.entries(parameters);
  if (entries.length > parametersMax) {
    into.add(tooLong(classField('parameters'), parametersMax));
    return;
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') into.add(invalid(classField('parameters'), key, 'field can not be empty.'));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(String(value));
  }
  if (bytes > parameterBytesMax) into.add(tooLong(classField('parameters'), parameterBytesMax));
}

/** Refuses changes of fields that volumes were made by. */
function forbidChanges<T extends object, Name extends keyof T & string>(
  draft: T,
  old: T,
  { names, path }: { readonly names: readonly Name[]; readonly path: (name: Name) => FieldPath },
): FieldError[] {
  return names
    .filter((name) => !semanticallySame(draft[name], old[name]))
    .map((name) => forbiddenField(path(name), `updates to ${name} are forbidden.`));
}

/** What is wrong with a `StorageClass`. Source: upstream `ValidateStorageClass`. */
export function validateStorageClass(draft: Given<StorageClass>): readonly FieldError[] {
  const into = new Collector();
  const provisioner = draft.provisioner ?? '';
  if (into.needsText(classField('provisioner'), provisioner)) {
    into.problems(classField('provisioner'), provisioner, qualifiedNameProblems(provisioner.toLowerCase()));
  }
  checkParameters(into, draft.parameters ?? {});
  into.oneOf(classField('reclaimPolicy'), draft.reclaimPolicy, ['Delete', 'Retain']);
  into.needsOneOf(classField('volumeBindingMode'), draft.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
  for (const [index, term] of (draft.allowedTopologies ?? []).entries()) {
    checkTopology(into, term, {
      path: at(classField('allowedTopologies'), index),
      earlier: (draft.allowedTopologies ?? []).slice(0, index),
    });
  }
  return into.errors;
}

function checkTopology(
  into: Collector,
  term: Given<TopologySelectorTerm>,
  {
    path,
    earlier,
  }: { readonly path: FieldPath<TopologySelectorTerm>; readonly earlier: readonly Given<TopologySelectorTerm>[] },
): void {
  if (earlier.some((other) => semanticallySame(other, term))) {
    into.add(duplicate(child(path, 'matchLabelExpressions'), ''));
  }
  const keys = new Set<string>();
  for (const [index, requirement] of (term.matchLabelExpressions ?? []).entries()) {
    const own = at(child(path, 'matchLabelExpressions'), index);
    const key = requirement.key ?? '';
    const values = requirement.values ?? [];
    if (values.length === 0) into.add(required(child(own, 'values')));
    for (const [position, value] of values.entries()) {
      if (values.indexOf(value) < position) into.add(duplicate(at(child(own, 'values'), position), value));
    }
    into.problems(child(own, 'key'), key, qualifiedNameProblems(key));
    if (keys.has(key)) into.add(duplicate(child(own, 'key'), key));
    keys.add(key);
  }
}

/** What is wrong with a change of a class: how it makes and binds volumes stays. */
export function validateStorageClassUpdate(
  draft: Given<StorageClass>,
  old: Given<StorageClass>,
): readonly FieldError[] {
  const into = new Collector();
  into.add(
    ...forbidChanges(draft, old, {
      names: fields('parameters', 'provisioner', 'reclaimPolicy'),
      path: (name) => classField(name),
    }),
  );
  into.unchanged(classField('volumeBindingMode'), draft.volumeBindingMode, old.volumeBindingMode);
  return into.errors;
}

/** What is wrong with a `VolumeAttributesClass`. Source: upstream `ValidateVolumeAttributesClass`. */
export function validateVolumeAttributesClass(draft: Given<VolumeAttributesClass>): readonly FieldError[] {
  const into = new Collector();
  checkCsiDriverName(into, draft.driverName, attributesField('driverName'));
  const parameters = draft.parameters ?? {};
  if (Object.keys(parameters).length === 0)
    into.add(required(attributesField('parameters'), 'must contain at least one key/value pair'));
  checkParameters(into, parameters);
  return into.errors;
}

/** What is wrong with a change of one: driver and parameters stay. */
export function validateVolumeAttributesClassUpdate(
  draft: Given<VolumeAttributesClass>,
  old: Given<VolumeAttributesClass>,
): readonly FieldError[] {
  return forbidChanges(draft, old, {
    names: fields('driverName', 'parameters'),
    path: (name) => attributesField(name),
  });
}

const attachmentPath = attachmentField('spec.source');

/** What is wrong with a `VolumeAttachment`. Source: upstream `ValidateVolumeAttachment`. */
export function validateVolumeAttachment(draft: Given<VolumeAttachment>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkCsiDriverName(into, spec.attacher, attachmentField('spec.attacher'));
  const name = spec.source?.persistentVolumeName;
  const inline = spec.source?.inlineVolumeSpec;
  if (name === undefined && inline === undefined) {
    into.add(required(attachmentPath, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'));
  } else if (name !== undefined && inline !== undefined) {
    into.add(forbiddenField(attachmentPath, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'));
  } else if (name !== undefined) {
    into.needsName(child(attachmentPath, 'persistentVolumeName'), name, dns1123SubdomainProblems);
  }
  into.needsName(attachmentField('spec.nodeName'), spec.nodeName, dns1123SubdomainProblems);
  return into.errors;
}

/** What is wrong with a change of one: its spec stays. */
export function validateVolumeAttachmentUpdate(
  draft: Given<VolumeAttachment>,
  old: Given<VolumeAttachment>,
): readonly FieldError[] {
  const into = new Collector();
  into.unchanged(attachmentField('spec'), draft.spec, old.spec);
  return into.errors;
}

const nodeIdBytesMax = 192;

/** What is wrong with a `CSINode`. Source: upstream `ValidateCSINode`. */
export function validateCsiNode(draft: Given<CSINode>): readonly FieldError[] {
  const into = new Collector();
  const names = new Set<string>();
  for (const [index, driver] of (draft.spec?.drivers ?? []).entries()) {
    const path = at(nodeField('spec.drivers'), index);
    const name = driver.name ?? '';
    checkCsiDriverName(into, name, child(path, 'name'));
    if (into.needsText(child(path, 'nodeID'), driver.nodeID) && Buffer.byteLength(driver.nodeID) > nodeIdBytesMax) {
      into.add(invalid(child(path, 'nodeID'), driver.nodeID, `must be ${nodeIdBytesMax} characters or less`));
    }
    into.notNegative(child(path, 'allocatable.count'), driver.allocatable?.count);
    if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
    names.add(name);
    checkTopologyKeys(into, driver.topologyKeys ?? [], child(path, 'topologyKeys'));
  }
  return into.errors;
}

function checkTopologyKeys(into: Collector, keys: readonly string[], path: FieldPath): void {
  for (const [index, key] of keys.entries()) {
    if (keys.indexOf(key) < index) into.add(duplicate(path, key));
    if (into.needsText(path, key)) into.problems(path, key, qualifiedNameProblems(key));
  }
}

/** What a driver said of a node stays, but for how many volumes it takes. */
export function validateCsiNodeUpdate(draft: Given<CSINode>, old: Given<CSINode>): readonly FieldError[] {
  const into = new Collector();
  for (const was of old.spec?.drivers ?? []) {
    const now = (draft.spec?.drivers ?? []).find((driver) => driver.name === was.name);
    if (now === undefined || semanticallySame(without(now, ['allocatable']), without(was, ['allocatable']))) continue;
    into.add(invalid(untyped('CSINodeDriver'), now, 'field is immutable'));
  }
  return into.errors;
}

/** What is wrong with a `CSIDriver`. Source: upstream `ValidateCSIDriver`. */
export function validateCsiDriver(draft: Given<CSIDriver>): readonly FieldError[] {
  const into = new Collector();
  checkCsiDriverName(into, draft.metadata?.name, driverField('metadata.name'));
  const spec = draft.spec ?? {};
  for (const field of fields('attachRequired', 'podInfoOnMount', 'storageCapacity', 'seLinuxMount')) {
    if (spec[field] === undefined) into.add(required(child(driverField('spec'), field)));
  }
  const policies = ['File', 'None', 'ReadWriteOnceWithFSType'];
  into.oneOf(driverField('spec.fsGroupPolicy'), spec.fsGroupPolicy, policies);
  const audiences = new Set<string>();
  for (const [index, request] of (spec.tokenRequests ?? []).entries()) {
    const path = at(driverField('spec.tokenRequests'), index);
    const audience = request.audience ?? '';
    if (audiences.has(audience)) into.add(duplicate(child(path, 'audience'), audience));
    audiences.add(audience);
    const seconds = request.expirationSeconds;
    const own = child(path, 'expirationSeconds');
    if (seconds === undefined) continue;
    if (seconds < tokenSecondsMin) into.add(invalid(own, seconds, 'may not specify a duration less than 10 minutes'));
    if (seconds > 2 ** 32) into.add(invalid(own, seconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  for (const mode of spec.volumeLifecycleModes ?? []) {
    into.oneOf(driverField('spec.volumeLifecycleModes'), mode, ['Ephemeral', 'Persistent']);
  }
  return into.errors;
}

const tokenSecondsMin = 600;

/** What a driver is asked to do when volumes are attached cannot change under those that are. */
export function validateCsiDriverUpdate(draft: Given<CSIDriver>, old: Given<CSIDriver>): readonly FieldError[] {
  const into = new Collector();
  for (const field of fields('attachRequired', 'volumeLifecycleModes')) {
    into.unchanged(child(driverField('spec'), field), draft.spec?.[field], old.spec?.[field]);
  }
  return into.errors;
}

/** What is wrong with a `CSIStorageCapacity`. Source: upstream `ValidateCSIStorageCapacity`. */
export function validateCsiStorageCapacity(draft: Given<CSIStorageCapacity>): readonly FieldError[] {
  const into = new Collector();
  into.add(...labelSelectorErrors(draft.nodeTopology, capacityField('nodeTopology')));
  into.needsName(capacityField('storageClassName'), draft.storageClassName, dns1123SubdomainProblems);
  for (const field of fields('capacity', 'maximumVolumeSize')) {
    if (draft[field] === undefined || compareQuantities(draft[field], 0) >= 0) continue;
    into.add(invalid(capacityField(field), draft[field], 'must be greater than or equal to 0'));
  }
  return into.errors;
}

/** What is wrong with a change of one: class and topology stay. */
export function validateCsiStorageCapacityUpdate(
  draft: Given<CSIStorageCapacity>,
  old: Given<CSIStorageCapacity>,
): readonly FieldError[] {
  const into = new Collector();
  for (const field of fields('nodeTopology', 'storageClassName'))
    into.unchanged(capacityField(field), draft[field], old[field]);
  return into.errors;
}
