/** State as plain data that survives JSON, and its way back: numbers, lists of numbers, bigints as text, bytes as base64. A wrong shape throws one line. */

/** What a saved value may be. */
export type Plain = number | string | boolean | readonly Plain[] | { readonly [name: string]: Plain };

/** Bytes as text. */
export function plainBytes(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Reads the fields of a saved value. */
export class PlainReader {
  private readonly fields: ReadonlyMap<string, unknown>;
  private readonly name: string;

  constructor(value: unknown, name: string) {
    if (typeof value !== 'object' || value === null)
      throw new Error(`Cannot restore the machine: ${name} is no object`);
    this.fields = new Map(Object.entries(value));
    this.name = name;
  }

  /** `fallback`: for a field that states of before do not have. */
  number(field: string, fallback?: number): number {
    const value = this.fields.get(field) ?? fallback;
    if (typeof value !== 'number') return this.wrong(field, 'number');
    return value;
  }

  /** The same of `fallback`. */
  flag(field: string, fallback?: boolean): boolean {
    const value = this.fields.get(field) ?? fallback;
    if (typeof value !== 'boolean') return this.wrong(field, 'boolean');
    return value;
  }

  text(field: string): string {
    const value = this.fields.get(field);
    return typeof value === 'string' ? value : this.wrong(field, 'text');
  }

  big(field: string): bigint {
    const value = this.fields.get(field);
    if (typeof value !== 'string' || !/^-?\d{1,40}$/.test(value)) return this.wrong(field, 'integer as text');
    return BigInt(value);
  }

  bytes(field: string): Uint8Array {
    const value = this.fields.get(field);
    if (typeof value !== 'string') return this.wrong(field, 'base64');
    return new Uint8Array(Buffer.from(value, 'base64'));
  }

  numbers(field: string): readonly number[] {
    return this.list(field).map((value) => (typeof value === 'number' ? value : this.wrong(field, 'list of numbers')));
  }

  part(field: string): PlainReader {
    return new PlainReader(this.fields.get(field), `${this.name}.${field}`);
  }

  parts(field: string): readonly PlainReader[] {
    return this.list(field).map((value, index) => new PlainReader(value, `${this.name}.${field}[${index}]`));
  }

  private list(field: string): readonly unknown[] {
    const value: unknown = this.fields.get(field);
    return Array.isArray(value) ? value : this.wrong(field, 'list');
  }

  private wrong(field: string, what: string): never {
    throw new Error(`Cannot restore the machine: ${this.name}.${field} is no ${what}`);
  }
}
