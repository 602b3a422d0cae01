/** How extenders of the scheduler are reached: one request over HTTP or HTTPS for each call. Limits: an answer is at most `answerBytesMax` long; time is the caller's. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { getBuiltinModule } from 'node:process';
import type { CallExtender } from '#pkg/scheduler/extender/extender.ts';
import { readAnswer } from './read-answer.ts';

/** Longest answer: 5,000 nodes as they are, each of 4 KiB, with room. */
const answerBytesMax = 64 * 1024 * 1024;

/** Calls an extender. Parts of Node are loaded with the first call. */
export const callExtender: CallExtender = async ({ url, body, tls, signal }) => {
  const { caData, caFile, insecure } = tls ?? {};
  const { readFile } = getBuiltinModule('node:fs').promises;
  const ca = caData ? Buffer.from(caData, 'base64') : caFile ? await readFile(caFile) : undefined;
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { method: 'POST', headers, signal };
    const onAnswer = (answer: IncomingMessage): void => {
      readAnswer(sent, answer, answerBytesMax, { resolve, reject });
    };
    const sent: ClientRequest = url.startsWith('https:')
      ? getBuiltinModule('node:https').request(
          url,
          { ...options, rejectUnauthorized: insecure !== true, ...(ca === undefined ? {} : { ca }) },
          onAnswer,
        )
      : getBuiltinModule('node:http').request(url, options, onAnswer);
    sent.on('error', reject);
    sent.end(body);
  });
};
