/**
 * Asks a process of a cluster, at the address that it serves its health at. Not by `fetch`: what Node loads for that takes longer than all else of
 * the commands that ask.
 */
import { get } from '#pkg/serving/node-http.ts';

/** A process says some bytes about each of its parts. */
const answerBytesMax = 1024 * 1024;

/** What is answered at a URL of plain HTTP, whatever the status. Throws when there is no answer, one of more than 1 MiB, or `signal` was aborted before its end. */
export function ask(url: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(signal.aborted ? signal.reason : error);
    const request = get(url, { agent: false, signal }, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerBytesMax) request.destroy(new Error('its answer is too long'));
        else chunks.push(chunk);
      });
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()));
      answer.on('error', fail);
    });
    request.on('error', fail);
  });
}
