/**
 * What a source says first, as the end that is to have the machine takes it: what is to come, and the kernel, of which the machine is made when all of it is here. Invariant: nothing is kept that the
 * host has no room for, and no machine is made of a kernel that is not the one that was said.
 */
import { errorText } from '#pkg/base/error-text.ts';
import { createMachine } from '../machine.ts';
import type { Machine } from '../machine-contract.ts';
import type { CreateTarget } from './contract.ts';
import { digestText, type Hello, readHello } from './messages.ts';
import { takeStream } from './page-format.ts';
import { Fields, WireError } from './wire.ts';

/** What a host has for a machine that comes. */
type HostRoom = Pick<Parameters<CreateTarget>[0], 'accept' | 'discard' | 'makeDisk' | 'modules' | 'seat'>;

/** The beginning of one connection. */
export class Reception {
  private readonly room: HostRoom;
  private told: Hello | undefined;
  private kernel: Uint8Array = new Uint8Array(0);
  private filled = 0;

  constructor(room: HostRoom) {
    this.room = room;
  }

  /** What is to come; absent before it was said. */
  get hello(): Hello | undefined {
    return this.told;
  }

  /** Takes the first frame; says why the machine cannot be taken. Throws a WireError for what is none. */
  greet(payload: Uint8Array, { isStandby }: { readonly isStandby: boolean }): string | undefined {
    if (this.told !== undefined) throw new WireError('Cannot take a second hello');
    const hello = readHello(payload);
    this.told = hello;
    if ((hello.mode === 'standby') !== isStandby) {
      return isStandby ? 'it is no source of checkpoints' : 'this is no stand-by';
    }
    const problem = this.room.accept(hello.config) ?? this.diskProblem(hello);
    if (problem === undefined) this.kernel = new Uint8Array(hello.kernelBytes);
    return problem;
  }

  /** Takes a piece of the kernel; the machine when it was the last one. Throws a WireError for what was not announced. */
  takeKernel(payload: Uint8Array): { readonly machine: Machine; readonly hello: Hello } | undefined {
    const hello = this.told;
    if (hello === undefined) throw new WireError('Cannot take a kernel before a hello');
    const fields = new Fields(payload);
    const piece = takeStream(fields);
    fields.end();
    if (piece.length === 0 || this.filled + piece.length > this.kernel.length)
      throw new WireError('Cannot take a kernel of another length');
    this.kernel.set(piece, this.filled);
    this.filled += piece.length;
    if (this.filled < this.kernel.length) return undefined;
    if (digestText(this.kernel) !== hello.kernelDigest)
      throw new WireError('Cannot use the kernel: its digest is another');
    try {
      return { hello, machine: createMachine({ ...hello.config, kernel: this.kernel }, hello.state, this.room) };
    } catch (error) {
      throw new WireError(errorText(error));
    }
  }

  private diskProblem({ blocks }: Hello): string | undefined {
    return blocks > 0 && this.room.makeDisk === undefined ? 'it has no place for the disk' : undefined;
  }
}
