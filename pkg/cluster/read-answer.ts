/** Reads what a server that the cluster asks answers, as one text. Limit: an answer that is longer than is said ends its request. */
import type { ClientRequest, IncomingMessage } from 'node:http';

/** Who waits for an answer: told once it is whole, or cut off. At once, as what comes after an answer, such as its connection's end, must not come before. */
export interface AnswerWaiter {
  resolve(answer: { readonly status: number; readonly text: string }): void;
  reject(error: unknown): void;
}

/** Reads the answer to `sent`. One that is longer than `bytesMax` destroys `sent`, whose error says so. */
export function readAnswer(sent: ClientRequest, answer: IncomingMessage, bytesMax: number, waiter: AnswerWaiter): void {
  const parts: Buffer[] = [];
  let size = 0;
  answer.on('data', (part: Buffer) => {
    size += part.length;
    if (size > bytesMax) sent.destroy(new Error(`the answer is longer than ${bytesMax} bytes`));
    else parts.push(part);
  });
  answer.on('end', () => waiter.resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
  answer.on('error', (error) => waiter.reject(error));
}
