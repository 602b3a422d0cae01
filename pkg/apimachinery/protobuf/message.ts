/** What the protobuf codec needs to know of a type. Built-in types are described in `#pkg/api/protobuf/`. */

/** What has a wire type of its own: varint or eight bytes. */
export type PlainType = 'boolean' | 'double' | 'integer';

/** What stands on the wire as a length and that many bytes. */
export type DelimitedType =
  | 'bytes'
  | 'duration'
  | 'intOrString'
  | 'message'
  | 'microTime'
  | 'quantity'
  | 'raw'
  | 'string'
  | 'stringList'
  | 'time';

/** How the value of a field is encoded. */
export type MessageValueType = DelimitedType | PlainType;

/** One field of a message, and how JSON shows it. */
export interface MessageField {
  /** Name in JSON. `''` for a member of a union, and for an inline message, whose fields stand in the object around it. */
  readonly name: string;
  readonly number: number;
  /** `raw` is JSON within a message of one field, `stringList` a list within one. */
  readonly type: MessageValueType;
  readonly repeats: 'list' | 'map' | 'no';
  /** A pointer in Go: on the wire when it is set. Other fields always are, lists, maps and bytes apart. */
  readonly isPointer: boolean;
  /** JSON does not have the zero value of the field. */
  readonly dropsZero: boolean;
  readonly isInline: boolean;
  /** For `message`. */
  readonly message?: Message;
}

/** The shape of a message. */
export interface Message {
  /** Ordered by number. */
  readonly fields: readonly MessageField[];
  readonly byNumber: ReadonlyMap<number, MessageField>;
  /** The JSON is that of whichever member is set: a list, a boolean, an object. */
  readonly isUnion: boolean;
}
