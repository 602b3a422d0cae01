/**
 * Bodies in Kubernetes' protobuf form, which clients built on Go's typed client send: turned into the JSON form by the table of
 * API facts. Answers are always JSON, which the same clients accept.
 *
 * Go encodes the zero of every field that is not a pointer, and JSON leaves it out: a zero is dropped where JSON may omit the
 * field, unless it is one of those whose zero means something.
 * Source: apimachinery `runtime/serializer/protobuf`; `generated.proto` of the API groups.
 */
import { Buffer } from 'node:buffer';
import { type FieldFact, isAnyJson, kindFact, typeFacts } from '#pkg/api/facts.ts';
import { setOwn } from '#pkg/apimachinery/json.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { formatDuration } from '#pkg/apimachinery/time.ts';
import { formatMicroTime, formatTimestamp } from '#pkg/base/clock.ts';
import { ProtobufError, readFields } from './reader.ts';

/** What every body begins with: `k8s` and a zero. */
const magic = [0x6b, 0x38, 0x73, 0];

/** Deepest nesting of messages. The API's own types need some thirty. */
const depthMax = 100;

const deleteOptionsType = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

/** Fields that are pointers in Go, where zero or false is not the same as absent. */
const meaningfulZeros: ReadonlySet<string> = new Set([
  'activeDeadlineSeconds',
  'allocateLoadBalancerNodePorts',
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'backoffLimit',
  'blockOwnerDeletion',
  'completions',
  'controller',
  'defaultMode',
  'deletionGracePeriodSeconds',
  'enableServiceLinks',
  'failedJobsHistoryLimit',
  'fsGroup',
  'gracePeriodSeconds',
  'hostUsers',
  'immutable',
  'maxRetries',
  'minReplicas',
  'mode',
  'optional',
  'orphanDependents',
  'parallelism',
  'partition',
  'priority',
  'privileged',
  'progressDeadlineSeconds',
  'readOnlyRootFilesystem',
  'replicas',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsNonRoot',
  'runAsUser',
  'shareProcessNamespace',
  'startingDeadlineSeconds',
  'successfulJobsHistoryLimit',
  'suspend',
  'terminationGracePeriodSeconds',
  'tolerationSeconds',
  'ttlSecondsAfterFinished',
]);

/** Decodes a body. Throws ProtobufError for one that is not in this form, and for kinds that are not known. */
export function decodeProtobuf(bytes: Uint8Array): JsonObject {
  if (!magic.every((byte, index) => bytes[index] === byte)) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array(0);
  for (const { number, value } of readFields(bytes.subarray(magic.length))) {
    if (typeof value === 'bigint') continue;
    if (number === 1) {
      for (const field of readFields(value)) {
        if (field.number === 1) apiVersion = textOf(field.value);
        if (field.number === 2) kind = textOf(field.value);
      }
    } else if (number === 2) raw = value;
  }
  const type = kind === 'DeleteOptions' ? deleteOptionsType : typeOf(apiVersion, kind);
  if (type === undefined) throw new ProtobufError(`no kind "${kind}" is registered for version "${apiVersion}"`);
  return { kind, apiVersion, ...decodeMessage(raw, type, 0) };
}

function typeOf(apiVersion: string, kind: string): string | undefined {
  const gv = parseApiVersion(apiVersion);
  return gv === undefined ? undefined : kindFact({ ...gv, kind })?.type;
}

const fieldsOf = new Map<string, ReadonlyMap<number, FieldFact>>();

/** The fields of a type by their numbers. Inline members are messages of their own here. */
function numbered(type: string): ReadonlyMap<number, FieldFact> {
  let fields = fieldsOf.get(type);
  if (fields === undefined) {
    const facts = typeFacts[type]?.fields ?? [];
    fields = new Map(facts.flatMap((field) => (field.pb === undefined ? [] : [[field.pb, field]])));
    fieldsOf.set(type, fields);
  }
  return fields;
}

function decodeMessage(bytes: Uint8Array, type: string, depth: number): JsonObject {
  if (depth > depthMax) throw new ProtobufError('exceeded max depth');
  const fields = numbered(type);
  const object: JsonObject = {};
  for (const { number, value } of readFields(bytes)) {
    const field = fields.get(number);
    if (field === undefined) continue;
    if (field.inline) Object.assign(object, decodeMessage(spanOf(value), field.ref!, depth + 1));
    else decodeField(object, field, { value, depth });
  }
  return object;
}

type Wire = { readonly value: Uint8Array | bigint; readonly depth: number };

function decodeField(object: JsonObject, field: FieldFact, { value, depth }: Wire): void {
  const name = field.name!;
  if (field.t === 'list') {
    const list = (object[name] ?? []) as unknown[];
    list.push(decodeValue(value, field.of!, depth));
    object[name] = list;
  } else if (field.t === 'map') {
    const map = (object[name] ?? {}) as JsonObject;
    const [key, entry] = decodeEntry(spanOf(value), field.of!, depth);
    setOwn(map, key, entry);
    object[name] = map;
  } else {
    const decoded = decodeValue(value, field, depth);
    if (decoded === undefined || (field.omitempty && isZero(decoded) && !meaningfulZeros.has(name))) return;
    object[name] = decoded;
  }
}

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false;
}

/** An entry of a map is a message of its key and its value. */
function decodeEntry(bytes: Uint8Array, of: FieldFact, depth: number): [key: string, value: unknown] {
  let key = '';
  let value: unknown = of.t === 'list' ? [] : decodeValue(new Uint8Array(0), of, depth);
  for (const field of readFields(bytes)) {
    if (field.number === 1) key = textOf(field.value);
    else if (field.number === 2)
      value = of.t === 'list' ? decodeItems(field.value, of, depth) : decodeValue(field.value, of, depth);
  }
  return [key, value];
}

/** A list as the value of a map is a message with its items as field 1. */
function decodeItems(value: Uint8Array | bigint, of: FieldFact, depth: number): unknown[] {
  return [...readFields(spanOf(value))].map((item) => decodeValue(item.value, of.of!, depth));
}

function decodeValue(value: Uint8Array | bigint, fact: FieldFact, depth: number): unknown {
  switch (fact.t) {
    case 'string':
      return textOf(value);
    case 'int32':
    case 'int64':
      return Number(BigInt.asIntN(64, numberOf(value)));
    case 'boolean':
      return numberOf(value) !== 0n;
    case 'double':
      return Buffer.from(new BigUint64Array([numberOf(value)]).buffer).readDoubleLE(0);
    case 'bytes':
    case 'byte':
      return Buffer.from(spanOf(value)).toString('base64');
    case 'ref':
      if (isAnyJson(typeFacts[fact.ref!]!)) throw new ProtobufError(`cannot decode ${fact.ref} from protobuf`);
      return decodeMessage(spanOf(value), fact.ref!, depth + 1);
    default:
      return decodeSpecial(spanOf(value), fact.t);
  }
}

/** Types whose JSON form is not the one of their fields. */
function decodeSpecial(bytes: Uint8Array, type: string): unknown {
  const fields = new Map([...readFields(bytes)].map(({ number, value }) => [number, value]));
  const first = fields.get(1);
  switch (type) {
    case 'time':
    case 'microtime': {
      if (fields.size === 0) return undefined;
      const ms = signed(first) * 1_000 + Math.floor(signed(fields.get(2)) / 1e6);
      // Date ends 8.64e15 ms from the epoch.
      if (Math.abs(ms) > 8.64e15) throw new ProtobufError('a time is out of range');
      return type === 'time' ? formatTimestamp(ms) : formatMicroTime(ms);
    }
    case 'duration':
      return formatDuration(signed(first));
    case 'quantity':
      return first === undefined ? '0' : textOf(first);
    case 'intOrString':
      return signed(first) === 1 ? textOf(fields.get(3) ?? new Uint8Array(0)) : signed(fields.get(2));
    case 'json':
    case 'rawExtension':
    case 'fieldsV1':
      return first === undefined ? undefined : parsed(textOf(first));
    default:
      throw new ProtobufError(`cannot decode ${type} from protobuf`);
  }
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtobufError('a raw value inside the message is no JSON');
  }
}

function signed(value: Uint8Array | bigint | undefined): number {
  return value === undefined ? 0 : Number(BigInt.asIntN(64, numberOf(value)));
}

function textOf(value: Uint8Array | bigint): string {
  return Buffer.from(spanOf(value)).toString('utf8');
}

function spanOf(value: Uint8Array | bigint): Uint8Array {
  if (typeof value === 'bigint') throw new ProtobufError('proto: wrong wireType 0 for a field of bytes');
  return value;
}

function numberOf(value: Uint8Array | bigint): bigint {
  if (typeof value === 'bigint') return value;
  if (value.length === 0) return 0n;
  throw new ProtobufError('proto: wrong wireType 2 for a field that is a number');
}
