/**
 * Writes one WebAssembly function at a time: bytes, numbers in LEB128, and labels by what they lead to instead of by depth.
 * Source: WebAssembly Core Specification 2.0, chapter 5.
 */

/** Opcodes, by the specification's names. */
export const wasm = {
  else: 0x05,
  end: 0x0b,
  select: 0x1b,
  drop: 0x1a,
  i32Load: 0x28,
  i64Load: 0x29,
  f64Load: 0x2b,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i32Store: 0x36,
  i64Store: 0x37,
  f64Store: 0x39,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Eqz: 0x45,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GeS: 0x59,
  i64GeU: 0x5a,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32DivS: 0x6d,
  i32DivU: 0x6e,
  i32RemS: 0x6f,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i32Wrap: 0xa7,
  i64ExtendS: 0xac,
  i64ExtendU: 0xad,
  i64Extend32: 0xc4,
} as const;

/** Types of values and, `none`, of blocks without a result. */
export const wasmTypes = { none: 0x40, i32: 0x7f, i64: 0x7e } as const;

/** An unsigned number in LEB128. */
function unsigned(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

/** A signed number in LEB128. */
function signed(value: bigint): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = rest === ((low & 0x40) === 0 ? 0n : -1n);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}

/** Numbers of a module's types of functions. */
const types = { fill: 0, region: 1, mulhu: 2, step: 3 } as const;

/** The body of a function as it is written; a label leads to what its name says. */
export class WasmWriter {
  readonly bytes: number[] = [];
  private readonly labels: string[] = [];

  op(...codes: readonly number[]): void {
    this.bytes.push(...codes);
  }

  get(local: number): void {
    this.bytes.push(0x20, ...unsigned(local));
  }

  set(local: number): void {
    this.bytes.push(0x21, ...unsigned(local));
  }

  tee(local: number): void {
    this.bytes.push(0x22, ...unsigned(local));
  }

  i32(value: number): void {
    this.bytes.push(0x41, ...signed(BigInt(value | 0)));
  }

  i64(value: number | bigint): void {
    this.bytes.push(0x42, ...signed(BigInt(value)));
  }

  /** A load or store, at an offset from the address on the stack; alignment is promised to none. */
  memory(code: number, offset: number): void {
    this.bytes.push(code, 0, ...unsigned(offset));
  }

  call(index: number): void {
    this.bytes.push(0x10, ...unsigned(index));
  }

  block(label: string): void {
    this.open(0x02, label, wasmTypes.none);
  }

  loop(label: string): void {
    this.open(0x03, label, wasmTypes.none);
  }

  if(type: number = wasmTypes.none): void {
    this.open(0x04, '', type);
  }

  else(): void {
    this.bytes.push(wasm.else);
  }

  end(): void {
    this.labels.pop();
    this.bytes.push(wasm.end);
  }

  /** Whether a label of that name is open. */
  has(label: string): boolean {
    return this.labels.includes(label);
  }

  br(label: string): void {
    this.bytes.push(0x0c, ...unsigned(this.depth(label)));
  }

  brIf(label: string): void {
    this.bytes.push(0x0d, ...unsigned(this.depth(label)));
  }

  /** Becomes another region, whose number in the table is on the stack, after its parameters. */
  becomes(): void {
    this.bytes.push(0x13, types.region, 0);
  }

  /** Goes by the number on the stack; beyond the list to its first. */
  brTable(labels: readonly string[]): void {
    const depths = labels.map((label) => this.depth(label));
    this.bytes.push(0x0e, ...unsigned(depths.length), ...depths.flatMap(unsigned), ...unsigned(depths[0] ?? 0));
  }

  private open(code: number, label: string, type: number): void {
    this.labels.push(label);
    this.bytes.push(code, type);
  }

  private depth(label: string): number {
    return this.labels.length - 1 - this.labels.lastIndexOf(label);
  }
}

type Bytes = Uint8Array | readonly number[];

/** By length first: a region has thousands of bytes, and is waited for. */
function joined(...pieces: readonly Bytes[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const section = (id: number, bytes: Bytes): Bytes => joined([id], unsigned(bytes.length), bytes);
const list = (items: readonly Bytes[]): Bytes => joined(unsigned(items.length), ...items);
const name = (text: string): readonly number[] => [...unsigned(text.length), ...Buffer.from(text)];
const functionType = (parameters: readonly number[], results: readonly number[]): readonly number[] => [
  0x60,
  ...unsigned(parameters.length),
  ...parameters,
  ...unsigned(results.length),
  ...results,
];

/** A function of a module: how many locals of i64, then of i32, it has besides its parameters. */
export interface WasmFunction {
  readonly i64Locals: number;
  readonly i32Locals: number;
  readonly bytes: readonly number[];
}

/** Numbers of the functions in a module: the two imported ones, a compiled region's, and the high half of unsigned products. */
export const functions = { fill: 0, step: 1, region: 2, mulhu: 3 } as const;

/** The memory that a module has: its pages of 64 KiB, which do not grow, and whether several threads have it. */
export interface ModuleMemory {
  readonly pages: number;
  readonly isShared: boolean;
}

/**
 * A module that imports the memory `m.m`, the table of regions `m.t`, `m.f` (four i32 to i32) and `m.s` (i32 to i32), and exports `r` (two i32 to i32).
 */
export function moduleOf(region: WasmFunction, mulhu: WasmFunction, { pages, isShared }: ModuleMemory): Uint8Array {
  const { i32, i64 } = wasmTypes;
  const signatures = [
    functionType([i32, i32, i32, i32], [i32]),
    functionType([i32, i32], [i32]),
    functionType([i64, i64], [i64]),
    functionType([i32], [i32]),
  ];
  const memory = [...name('m'), ...name('m'), 2, isShared ? 3 : 1, ...unsigned(pages), ...unsigned(pages)];
  const table = [...name('m'), ...name('t'), 1, 0x70, 0, 0];
  const fill = [...name('m'), ...name('f'), 0, types.fill];
  const step = [...name('m'), ...name('s'), 0, types.step];
  const body = ({ i64Locals, i32Locals, bytes }: WasmFunction): Bytes => {
    const locals = [2, ...unsigned(i64Locals), i64, ...unsigned(i32Locals), i32];
    return joined(unsigned(locals.length + bytes.length + 1), locals, bytes, [wasm.end]);
  };
  return joined(
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, list(signatures)),
    section(2, list([memory, table, fill, step])),
    section(3, list([[types.region], [types.mulhu]])),
    section(7, list([[...name('r'), 0, ...unsigned(functions.region)]])),
    section(10, list([body(region), body(mulhu)])),
  );
}
