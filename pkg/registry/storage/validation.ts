/** Rules for the kinds of `storage.k8s.io`. Source: upstream `pkg/apis/storage/validation`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
  tooLong,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { checkCsiDriverName } from '../core/validation/volume-source.ts';
import {
  fieldsOf,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  semanticallySame,
  stringAt,
  stringMapAt,
  valueAt,
} from '../draft.ts';
import { compareQuantities } from '../quantities.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

const parametersMax = 512;
const parameterBytesMax = 256 * 1024;

function checkParameters(into: Collector, parameters: Readonly<Record<string, string>>): void {
  const entries = Object.entries(parameters);
  if (entries.length > parametersMax) {
    into.add(tooLong('parameters', parametersMax));
    return;
  }
  let bytes = 0;
  for (const [key, value] of entries) {
    if (key === '') into.add(invalid('parameters', key, 'field can not be empty.'));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(String(value));
  }
  if (bytes > parameterBytesMax) into.add(tooLong('parameters', parameterBytesMax));
}

/** Refuses changes of fields that volumes were made by. */
function forbidChanges(draft: JsonObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  const before = fieldsOf(old);
  return fields
    .filter((field) => !semanticallySame(draft[field], before[field]))
    .map((field) => forbiddenField(field, `updates to ${field} are forbidden.`));
}

/** What is wrong with a `StorageClass`. Source: upstream `ValidateStorageClass`. */
export function validateStorageClass(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const provisioner = stringAt(draft, 'provisioner');
  if (into.needsText('provisioner', provisioner)) {
    into.problems('provisioner', provisioner, qualifiedNameProblems(provisioner.toLowerCase()));
  }
  checkParameters(into, stringMapAt(draft, 'parameters'));
  into.oneOf('reclaimPolicy', draft.reclaimPolicy, ['Delete', 'Retain']);
  into.needsOneOf('volumeBindingMode', draft.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']);
  for (const [index, term] of objectsAt(draft, 'allowedTopologies').entries()) {
    checkTopology(into, term, {
      path: at('allowedTopologies', index),
      earlier: objectsAt(draft, 'allowedTopologies').slice(0, index),
    });
  }
  return into.errors;
}

function checkTopology(
  into: Collector,
  term: JsonObject,
  { path, earlier }: { readonly path: FieldPath; readonly earlier: readonly JsonObject[] },
): void {
  if (earlier.some((other) => semanticallySame(other, term))) {
    into.add(duplicate(child(path, 'matchLabelExpressions'), ''));
  }
  const keys = new Set<string>();
  for (const [index, requirement] of objectsAt(term, 'matchLabelExpressions').entries()) {
    const own = at(child(path, 'matchLabelExpressions'), index);
    const key = stringAt(requirement, 'key');
    const values = listAt(requirement, 'values');
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
export function validateStorageClassUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.add(...forbidChanges(draft, old, ['parameters', 'provisioner', 'reclaimPolicy']));
  into.unchanged('volumeBindingMode', draft.volumeBindingMode, fieldsOf(old).volumeBindingMode);
  return into.errors;
}

/** What is wrong with a `VolumeAttributesClass`. Source: upstream `ValidateVolumeAttributesClass`. */
export function validateVolumeAttributesClass(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkCsiDriverName(into, draft.driverName, 'driverName');
  const parameters = stringMapAt(draft, 'parameters');
  if (Object.keys(parameters).length === 0)
    into.add(required('parameters', 'must contain at least one key/value pair'));
  checkParameters(into, parameters);
  return into.errors;
}

/** What is wrong with a change of one: driver and parameters stay. */
export function validateVolumeAttributesClassUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  return forbidChanges(draft, old, ['driverName', 'parameters']);
}

const attachmentPath = 'spec.source';

/** What is wrong with a `VolumeAttachment`. Source: upstream `ValidateVolumeAttachment`. */
export function validateVolumeAttachment(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  checkCsiDriverName(into, spec.attacher, 'spec.attacher');
  const name = valueAt(spec, 'source', 'persistentVolumeName');
  const inline = valueAt(spec, 'source', 'inlineVolumeSpec');
  if (name === undefined && inline === undefined) {
    into.add(required(attachmentPath, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'));
  } else if (name !== undefined && inline !== undefined) {
    into.add(forbiddenField(attachmentPath, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'));
  } else if (name !== undefined) {
    into.needsName(child(attachmentPath, 'persistentVolumeName'), name, dns1123SubdomainProblems);
  }
  into.needsName('spec.nodeName', spec.nodeName, dns1123SubdomainProblems);
  return into.errors;
}

/** What is wrong with a change of one: its spec stays. */
export function validateVolumeAttachmentUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.unchanged('spec', draft.spec, fieldsOf(old).spec);
  return into.errors;
}

const nodeIdBytesMax = 192;

/** What is wrong with a `CSINode`. Source: upstream `ValidateCSINode`. */
export function validateCsiNode(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const names = new Set<string>();
  for (const [index, driver] of objectsAt(draft, 'spec', 'drivers').entries()) {
    const path = at('spec.drivers', index);
    const name = stringAt(driver, 'name');
    checkCsiDriverName(into, name, child(path, 'name'));
    if (into.needsText(child(path, 'nodeID'), driver.nodeID) && Buffer.byteLength(driver.nodeID) > nodeIdBytesMax) {
      into.add(invalid(child(path, 'nodeID'), driver.nodeID, `must be ${nodeIdBytesMax} characters or less`));
    }
    into.notNegative(`${path}.allocatable.count`, numberAt(driver, 'allocatable', 'count'));
    if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
    names.add(name);
    checkTopologyKeys(into, listAt(driver, 'topologyKeys').map(String), child(path, 'topologyKeys'));
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
export function validateCsiNodeUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const withoutCount = ({ allocatable: _, ...rest }: JsonObject): JsonObject => rest;
  for (const was of objectsAt(old, 'spec', 'drivers')) {
    const now = objectsAt(draft, 'spec', 'drivers').find((driver) => driver.name === was.name);
    if (now === undefined || semanticallySame(withoutCount(now), withoutCount(was))) continue;
    into.add(invalid('CSINodeDriver', now, 'field is immutable'));
  }
  return into.errors;
}

/** What is wrong with a `CSIDriver`. Source: upstream `ValidateCSIDriver`. */
export function validateCsiDriver(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkCsiDriverName(into, valueAt(draft, 'metadata', 'name'), 'metadata.name');
  const spec = objectAt(draft, 'spec') ?? {};
  for (const field of ['attachRequired', 'podInfoOnMount', 'storageCapacity', 'seLinuxMount']) {
    if (spec[field] === undefined) into.add(required(child('spec', field)));
  }
  const policies = ['File', 'None', 'ReadWriteOnceWithFSType'];
  into.oneOf('spec.fsGroupPolicy', spec.fsGroupPolicy, policies);
  const audiences = new Set<string>();
  for (const [index, request] of objectsAt(spec, 'tokenRequests').entries()) {
    const path = at('spec.tokenRequests', index);
    const audience = stringAt(request, 'audience');
    if (audiences.has(audience)) into.add(duplicate(child(path, 'audience'), audience));
    audiences.add(audience);
    const seconds = numberAt(request, 'expirationSeconds');
    const own = child(path, 'expirationSeconds');
    if (seconds === undefined) continue;
    if (seconds < tokenSecondsMin) into.add(invalid(own, seconds, 'may not specify a duration less than 10 minutes'));
    if (seconds > 2 ** 32) into.add(invalid(own, seconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  for (const mode of listAt(spec, 'volumeLifecycleModes')) {
    into.oneOf('spec.volumeLifecycleModes', mode, ['Ephemeral', 'Persistent']);
  }
  return into.errors;
}

const tokenSecondsMin = 600;

/** What a driver is asked to do when volumes are attached cannot change under those that are. */
export function validateCsiDriverUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  for (const field of ['attachRequired', 'volumeLifecycleModes']) {
    into.unchanged(`spec.${field}`, valueAt(draft, 'spec', field), valueAt(old, 'spec', field));
  }
  return into.errors;
}

/** What is wrong with a `CSIStorageCapacity`. Source: upstream `ValidateCSIStorageCapacity`. */
export function validateCsiStorageCapacity(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  into.add(...labelSelectorErrors(draft.nodeTopology, 'nodeTopology'));
  into.needsName('storageClassName', draft.storageClassName, dns1123SubdomainProblems);
  for (const field of ['capacity', 'maximumVolumeSize']) {
    if (draft[field] === undefined || compareQuantities(draft[field], 0) >= 0) continue;
    into.add(invalid(field, draft[field], 'must be greater than or equal to 0'));
  }
  return into.errors;
}

/** What is wrong with a change of one: class and topology stay. */
export function validateCsiStorageCapacityUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  for (const field of ['nodeTopology', 'storageClassName']) into.unchanged(field, draft[field], fieldsOf(old)[field]);
  return into.errors;
}
