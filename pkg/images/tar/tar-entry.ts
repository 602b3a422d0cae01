/** One entry of a tar archive. Paths are bytes, each as one character (`latin1`), as file names need not be text. */

/** What an entry is; `link` is a further name of a file that came before. */
export type TarEntryKind = 'block' | 'char' | 'directory' | 'fifo' | 'file' | 'link' | 'symlink';

/** An entry without its contents. */
export interface TarEntry {
  readonly kind: TarEntryKind;
  /** As it stands in the archive, whatever it says. */
  readonly path: string;
  /** Of links, symbolic or not. */
  readonly target: string;
  /** The twelve bits of permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, with a fraction. */
  readonly modified: number;
  /** Bytes of the contents. */
  readonly size: number;
  readonly device: { readonly major: number; readonly minor: number };
  /** Extended attributes by name. */
  readonly attributes: ReadonlyMap<string, Uint8Array>;
}
