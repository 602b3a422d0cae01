/** What commands have of the machine beside the API: the environment, bytes of the standard streams, and the terminal. */

/** The machine of one run. */
export interface Machine {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The bytes of standard input, once. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more. */
  writeBytes(bytes: Uint8Array): Promise<void>;
  /** The same for standard error. */
  writeErrorBytes(bytes: Uint8Array): Promise<void>;
  /** The person's terminal; undefined when standard input is none. */
  readonly terminal: Terminal | undefined;
}

/** A terminal that a person types at. */
export interface Terminal {
  /** Whether every key is passed on as it is. */
  setRaw(isRaw: boolean): void;
  size(): { readonly width: number; readonly height: number };
  /** Tells of new sizes until the function it returns is called. */
  onResize(listener: () => void): () => void;
}

/** A machine without input, environment and terminal, whose output goes to `write`. For tests, and for programs that hold a cluster. */
export function plainMachine(output: {
  write(text: string): void;
  writeError(text: string): void;
  readonly stdin?: string;
}): Machine {
  return {
    environment: {},
    async *stdin() {
      yield new TextEncoder().encode(output.stdin ?? '');
    },
    writeBytes: async (bytes) => output.write(new TextDecoder().decode(bytes)),
    writeErrorBytes: async (bytes) => output.writeError(new TextDecoder().decode(bytes)),
    terminal: undefined,
  };
}
