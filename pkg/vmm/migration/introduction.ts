/** What a source says first: what is to come, and the kernel, by which the target can make the machine while the source still runs its own. */
import { type MachineConfig, shapeOf } from '../machine-contract.ts';
import { digestText, type Hello, helloBytes } from './messages.ts';
import type { Outbox } from './outbox.ts';
import { FieldWriter, putStream } from './page-format.ts';

const pieceBytes = 256 * 1024;

/** Sends it. */
export function introduce(
  out: Outbox,
  { config, ...more }: Omit<Hello, 'config' | 'kernelBytes' | 'kernelDigest'> & { readonly config: MachineConfig },
): void {
  const { kernel } = config;
  out.send(
    'hello',
    helloBytes({ ...more, config: shapeOf(config), kernelBytes: kernel.length, kernelDigest: digestText(kernel) }),
  );
  for (let at = 0; at < kernel.length; at += pieceBytes) {
    const writer = new FieldWriter();
    putStream(writer, kernel.subarray(at, at + pieceBytes), { isCompressing: true });
    out.send('kernel', writer.take());
  }
}
