/**
 * The connection to webhooks: one request by POST over HTTPS, to a URL or to the address of a Service. The server's certificate is checked against the
 * authorities of the webhook. Loaded parts of Node only with the first call.
 *
 * Limits: an answer is at most `answerBytesMax` long; one that is longer ends the connection and is an error. Time is the caller's (`signal`).
 */
import { getBuiltinModule } from 'node:process';
import type { CallWebhook } from '#pkg/registry/admission/registered/call-webhook.ts';

/** Longest answer: an object of the largest size as a patch in base64, with room. Source: none; upstream reads at most 3 MiB of what it decodes. */
const answerBytesMax = 6 * 1024 * 1024;

/** Calls webhooks over the network. */
export const callWebhookOverHttps: CallWebhook = (asked) => {
  const { url, address, caBundle, body, signal, method = 'POST', headers = {}, credentials } = asked;
  const { request } = getBuiltinModule('node:https');
  const { hostname, port, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        method,
        host: address?.host ?? hostname.replace(/^\[|\]$/g, ''),
        port: address?.port ?? (port === '' ? 443 : Number(port)),
        path: `${pathname}${search}`,
        servername: /^[\d.]+$|:/.test(hostname) ? '' : hostname,
        headers: address === undefined ? headers : { ...headers, host: hostname },
        ...(credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.key }),
        ...(caBundle === undefined ? {} : { ca: caBundle }),
        signal,
        agent: false,
      },
      (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size > answerBytesMax) sent.destroy(new Error(`the answer is longer than ${answerBytesMax} bytes`));
          else parts.push(part);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    if (method === 'POST') sent.setHeader('content-type', 'application/json');
    sent.end(body);
  });
};
