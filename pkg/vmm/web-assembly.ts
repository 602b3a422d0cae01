/**
 * The part of the language's `WebAssembly` that the machine uses, told to the compiler: its library of types has it only beside a
 * browser's. Nothing here runs but the two functions. Source: WebAssembly JavaScript Interface, sections 5.2 to 5.4.
 */

declare global {
  namespace WebAssembly {
    class Memory {
      constructor(descriptor: { initial: number; maximum: number; shared?: boolean });
      readonly buffer: ArrayBuffer | SharedArrayBuffer;
    }
    class Table {
      constructor(descriptor: { initial: number; maximum?: number; element: 'anyfunc' });
      set(index: number, value: unknown): void;
      grow(delta: number): number;
      readonly length: number;
    }
    class Module {
      constructor(bytes: Uint8Array);
    }
    class Instance {
      constructor(module: Module, imports: Record<string, Record<string, unknown>>);
      readonly exports: Readonly<Record<string, unknown>>;
    }
  }
}

const WASM_PAGE = 65_536;

/** The same of a memory that several threads can have. Throws a RangeError where the system has not so much. */
export function newSharedMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** A memory of at least `bytes` bytes that never grows, so that its buffer stays the same; all zero, and the system gives it page by page. */
export function newWasmMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}
