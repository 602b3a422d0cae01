/** How extenders of the scheduler are reached: one request over HTTP or HTTPS for each call. Limits: an answer is at most `answerBytesMax` long; time is the caller's. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { getBuiltinModule } from 'node:process';
import { trusting } from '#pkg/pki/trust.ts';
import type { ExtenderTls } from '#pkg/scheduler/config/configuration.ts';
import type { CallExtender } from '#pkg/scheduler/extender/extender.ts';
import { readAnswer } from './read-answer.ts';

/** Longest answer: 5,000 nodes as they are, each of 4 KiB, with room. */
const answerBytesMax = 64 * 1024 * 1024;

/** Calls an extender. Parts of Node are loaded with the first call; files are read with each, as they may be replaced. */
export const callExtender: CallExtender = async ({ url, body, tls = {}, signal }) => {
  const isSecure = url.startsWith('https:');
  const secured = isSecure ? await secureOptions(tls) : {};
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { method: 'POST', headers, signal };
    const onAnswer = (answer: IncomingMessage): void => {
      readAnswer(sent, answer, answerBytesMax, { resolve, reject });
    };
    const sent: ClientRequest = isSecure
      ? getBuiltinModule('node:https').request(url, { ...options, ...secured }, onAnswer)
      : getBuiltinModule('node:http').request(url, options, onAnswer);
    sent.on('error', reject);
    sent.end(body);
  });
};

async function secureOptions(tls: ExtenderTls): Promise<RequestOptions> {
  const { readFile } = getBuiltinModule('node:fs').promises;
  const read = async (data: string | undefined, file: string | undefined): Promise<Buffer | undefined> =>
    data ? Buffer.from(data, 'base64') : file ? readFile(file) : undefined;
  const ca = await read(tls.caData, tls.caFile);
  const cert = await read(tls.certData, tls.certFile);
  const key = await read(tls.keyData, tls.keyFile);
  return {
    rejectUnauthorized: tls.insecure !== true,
    ...(tls.serverName ? { servername: tls.serverName } : {}),
    ...trusting(ca),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
