/** How a kube-apiserver stand-in has the data of an `etcd` stand-in: the claim of `cmd/envtest-etcd/server.ts`, from the side of who makes it. */
import type { IncomingMessage } from 'node:http';
import { get } from '#pkg/serving/node-http.ts';

/** Where the claim is made. */
export const claimPath = '/coxswain/claim';

/** What came of it. */
export type ClaimResult =
  /** `gone` resolves when the stand-in does not hold the claim any more. */
  | {
      readonly kind: 'held';
      readonly dataDir: string;
      readonly id: string;
      /** Whether writes are to be on the disk once they are acknowledged. */
      readonly waitsForDisk: boolean;
      readonly gone: Promise<void>;
      release(): void;
    }
  /** It is there and refuses, in one line. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Something else answers there. */
  | { readonly kind: 'other' }
  /** Nobody answers. */
  | { readonly kind: 'absent' };

/** First line of the answer: a path and an id. */
const lineBytesMax = 16_384;

/** Makes the claim at an address such as `http://127.0.0.1:2379`. Never rejects. */
export function claimData(address: string): Promise<ClaimResult> {
  return new Promise((resolve) => {
    let result: ClaimResult = { kind: 'absent' };
    const request = get(`${address}${claimPath}`, { agent: false }, (answer) => {
      const gone = new Promise<void>((ended) => answer.once('close', () => ended()));
      let text = '';
      answer.setEncoding('utf8');
      answer.on('error', () => {});
      answer.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > lineBytesMax) request.destroy();
        if (text.endsWith('\n')) resolve(readAnswer(answer, text, { gone, release: () => request.destroy() }));
      });
      answer.on('close', () => resolve(readAnswer(answer, text, { gone, release() {} })));
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // An etcd ends the connection of who speaks another protocol.
      if (error.code !== 'ECONNREFUSED') result = { kind: 'other' };
      resolve(result);
    });
  });
}

function readAnswer(
  { statusCode }: IncomingMessage,
  text: string,
  hold: { readonly gone: Promise<void>; release(): void },
): ClaimResult {
  if (statusCode === 409) return { kind: 'refused', message: text.trim() };
  if (statusCode !== 200) return { kind: 'other' };
  try {
    const { dataDir, id, waitsForDisk = true }: Readonly<Record<string, unknown>> = JSON.parse(text);
    if (typeof dataDir === 'string' && typeof id === 'string')
      return { kind: 'held', dataDir, id, waitsForDisk: waitsForDisk !== false, ...hold };
  } catch {
    // Some other server that has a page there.
  }
  hold.release();
  return { kind: 'other' };
}
