/**
 * Built-in types as protobuf messages, from the table of API facts. Messages are described on first use and kept.
 * Inline types are messages of their own here, while JSON has their fields in the object around them.
 */
import type { Message, MessageField, MessageValueType } from '#pkg/apimachinery/protobuf/message.ts';
import { type FieldFact, isAnyJson, typeFact, typeFacts } from '../facts.ts';

const messages = new Map<string, Message>();

/** The message of a type such as `io.k8s.api.core.v1.Pod`; undefined when the table has no such type. */
export function messageOf(type: string): Message | undefined {
  return Object.hasOwn(typeFacts, type) ? knownMessage(type) : undefined;
}

function knownMessage(type: string): Message {
  const known = messages.get(type);
  if (known !== undefined) return known;
  const message = describe(type);
  messages.set(type, message);
  return message;
}

function describe(type: string): Message {
  const fact = typeFact(type);
  let fields: readonly MessageField[] | undefined;
  let byNumber: ReadonlyMap<number, MessageField> | undefined;
  return {
    isUnion: isAnyJson(fact),
    get fields() {
      fields ??= fact.fields.flatMap(fieldOf).sort((a, b) => a.number - b.number);
      return fields;
    },
    get byNumber() {
      byNumber ??= new Map(this.fields.map((field) => [field.number, field]));
      return byNumber;
    },
  };
}

const valueTypes: Readonly<Record<FieldFact['t'], MessageValueType>> = {
  string: 'string',
  int32: 'integer',
  int64: 'integer',
  boolean: 'boolean',
  double: 'double',
  bytes: 'bytes',
  byte: 'bytes',
  time: 'time',
  microtime: 'microTime',
  duration: 'duration',
  quantity: 'quantity',
  intOrString: 'intOrString',
  json: 'raw',
  rawExtension: 'raw',
  fieldsV1: 'raw',
  ref: 'message',
  list: 'stringList',
  map: 'stringList',
};

/** What is left out of JSON when it is zero: structs and types that encode themselves never are. */
const zeroTypes: ReadonlySet<string> = new Set(['string', 'int32', 'int64', 'boolean', 'double', 'bytes', 'byte']);

/** A field, or none where the type has no protobuf form (`TypeMeta`, which the envelope carries, and tables). */
function fieldOf(fact: FieldFact): readonly MessageField[] {
  if (fact.pb === undefined) return [];
  const isMany = fact.t === 'list' || fact.t === 'map';
  const value = isMany ? fact.of : fact;
  const repeats = isMany ? fact.t : 'no';
  const name = fact.name ?? '';
  const described = {
    name,
    number: fact.pb,
    type: valueTypes[value.t],
    repeats,
    isPointer: fact.pointer === true,
    dropsZero: fact.pointer !== true && fact.omitempty === true && zeroTypes.has(fact.t),
    isInline: fact.inline === true,
  } as const;
  if (value.t !== 'ref') return [described];
  const { ref } = value;
  return [
    {
      ...described,
      get message() {
        return knownMessage(ref);
      },
    },
  ];
}
