/**
 * What is known about the shape of an object, in the form that every engine works on: structural validation, pruning,
 * strict field checks, defaulting, strategic merge patch, server-side apply, OpenAPI. Built-in types are compiled into this form
 * from the table of API facts (`#pkg/api/facts.ts`), custom resources from their OpenAPI schema, so that one engine serves both.
 */

/**
 * A value without inner structure. `time`, `microTime` and `duration` are strings on the wire, `bytes` is base64,
 * `quantity` a string (numbers are accepted), `any` any JSON value, `rawObject` any JSON object.
 */
export type ScalarType =
  | 'string'
  | 'int32'
  | 'int64'
  | 'boolean'
  | 'double'
  | 'bytes'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'quantity'
  | 'intOrString'
  | 'any'
  | 'rawObject';

/** The shape of a value without inner structure. */
export interface ScalarSchema {
  readonly type: ScalarType;
  /** Full name such as `io.k8s.api.core.v1.Protocol` of a string type that has one. */
  readonly name?: string;
  /** Known values of a string; validation rules decide whether the set is closed. */
  readonly values?: readonly string[];
}

/** A map from strings to values of one shape. */
export interface MapSchema {
  readonly type: 'map';
  readonly of: Schema;
  /** Server-side apply treats the whole map as one field. */
  readonly atomic: boolean;
  /** A value of another type, and null, is left as it is for rules to find, as in custom resources. Default: decoding fails, or drops null. */
  readonly isLoose?: boolean;
}

/** A list of values of one shape. */
export interface ListSchema {
  readonly type: 'list';
  readonly of: Schema;
  /** How server-side apply merges: as one value, as a set of scalars, or as a map by `mapKeys`. */
  readonly listType: 'atomic' | 'set' | 'map';
  /** Fields that identify an item of a `map` list, in order; empty for others. */
  readonly mapKeys: readonly string[];
  /** A value of another type, and null, is left as it is for rules to find, as in custom resources. Default: decoding fails, or drops null. */
  readonly isLoose?: boolean;
}

/** An object with named fields. */
export interface ObjectSchema {
  readonly type: 'object';
  /** Full type name such as `io.k8s.api.core.v1.Pod`; undefined for inner objects of custom resources. */
  readonly name?: string;
  /** Compiled on first use, as types may contain themselves. Inline fields are already merged in. */
  readonly fields: ReadonlyMap<string, FieldSchema>;
  /** Unknown fields are kept rather than pruned or refused. */
  readonly preserveUnknown: boolean;
  /** Server-side apply treats the whole object as one field. */
  readonly atomic: boolean;
  /** A value of another type, and null, is left as it is for rules to find, as in custom resources. Default: decoding fails, or drops null. */
  readonly isLoose?: boolean;
}

/** The shape of any value. */
export type Schema = ScalarSchema | MapSchema | ListSchema | ObjectSchema;

/** Stands for an empty list or an empty map as a `zero`. */
export const emptyCollection: unique symbol = Symbol('empty');

/** A field of an object: the shape of its value, and what the engines need to know of it. */
export interface FieldSchema {
  readonly name: string;
  readonly schema: Schema;
  /** Has to be present and, for a string, not empty on create and update. */
  readonly required: boolean;
  /** An object without a value of it is refused, so that nothing is written in its place. */
  readonly mustBeSet?: boolean;
  /** Left out of the encoding when empty. */
  readonly omitEmpty: boolean;
  /** Only a field that nobody has set is empty (a pointer in Go): its zero value is a value like any other. Fields of custom resources are so. */
  readonly isPointer?: boolean;
  /** The value that is the same as no value: `''`, `0`, `false` or `emptyCollection`. Absent where there is none. */
  readonly zero?: unknown;
  /**
   * What is written where the field has no value: null, a zero value, or `{}` for an object, whose own fields are then written in the
   * same way. Absent where the field is left out then.
   */
  readonly unset?: unknown;
  /** Null is a value of it; otherwise a null gives way to a default. Only where the object that holds it is loose. */
  readonly isNullable?: boolean;
  /** Default as upstream declares it on the type, decoded to its JSON value; defaults made in code are the registry's. */
  readonly default?: unknown;
  /** Strategic merge patch: `merge` merges lists and maps, `replace` replaces, `retainKeys` as documented by Kubernetes. */
  readonly patchStrategies: readonly ('merge' | 'replace' | 'retainKeys')[];
  /** Field that identifies list items in a strategic merge patch. */
  readonly patchMergeKey?: string | undefined;
  readonly immutable: boolean;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly maxItems?: number | undefined;
  /** Name format such as `k8s-long-name`. */
  readonly format?: string | undefined;
  /** Protobuf field number; undefined where the type has no protobuf form. */
  readonly protobuf?: number | undefined;
}
