/**
 * The connections to webhooks: requests over HTTPS, to a URL or to the address of a Service. The server's certificate is checked against the
 * authorities of the webhook. Loaded parts of Node only with the first call.
 *
 * Connections are kept for the next call that is to the same place, by the same name, with the same authorities and credentials: making one costs several
 * times what a call does. One that the server has closed meanwhile fails a call before anything of an answer has come: such a call is sent again on
 * another connection, until none that was kept is left, as a server that ends closes all. Source: Go's `http.Transport`, which upstream uses.
 * Limits: an answer is at most `answerBytesMax` long; one that is longer ends the connection and is an error. Time is the caller's (`signal`).
 */

import type { Agent, RequestOptions } from 'node:https';
import { getBuiltinModule } from 'node:process';
import { errorCode } from '#pkg/base/error-code.ts';
import { trusting } from '#pkg/pki/trust.ts';
import type { CallWebhook, WebhookRequest } from '#pkg/registry/remote/call-webhook.ts';
import { readAnswer } from './read-answer.ts';

/** Longest answer: an object of the largest size as a patch in base64, with room. Source: none; upstream reads at most 3 MiB of what it decodes. */
const answerBytesMax = 6 * 1024 * 1024;

/** How long a connection is kept that nobody uses. Source: Go's default transport. */
const idleMs = 90_000;

/** Connections kept to one server, and to all. A further one is closed after its call. Source: the greater of upstream's two, `MaxIdleConnsPerHost` of 25; its number of all is 100. */
const keptPerServerMax = 25;
const keptMax = 100;

/** What calls webhooks over the network, until it is closed. */
export interface WebhookCaller {
  readonly call: CallWebhook;
  /** Closes what is kept. Calls under way fail. */
  close(): void;
}

/** Makes one; nothing is loaded before the first call. */
export function createWebhookCaller(): WebhookCaller {
  let agent: Agent | undefined;
  return {
    async call(asked) {
      const https = getBuiltinModule('node:https');
      agent ??= new https.Agent({
        keepAlive: true,
        timeout: idleMs,
        maxFreeSockets: keptPerServerMax,
        maxTotalSockets: Number.POSITIVE_INFINITY,
        scheduling: 'lifo',
      });
      const kept = Object.values(agent.freeSockets).reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0);
      if (kept > keptMax) for (const sockets of Object.values(agent.freeSockets)) sockets?.[0]?.destroy();
      for (;;) {
        try {
          return await send(asked, agent);
        } catch (error) {
          // Each is one kept connection less.
          if (!(error instanceof LostConnectionError)) throw error;
        }
      }
    },
    close: () => agent?.destroy(),
  };
}

/** A kept connection was gone before anything of an answer had come. */
class LostConnectionError extends Error {}

function optionsOf(asked: WebhookRequest, agent: Agent): RequestOptions {
  const { url, address, caBundle, signal, method = 'POST', headers = {}, credentials } = asked;
  const { hostname, port, pathname, search } = new URL(url);
  return {
    method,
    host: address?.host ?? hostname.replace(/^\[|\]$/g, ''),
    port: address?.port ?? (port === '' ? 443 : Number(port)),
    path: `${pathname}${search}`,
    servername: /^[\d.]+$|:/.test(hostname) ? '' : hostname,
    headers: address === undefined ? headers : { ...headers, host: hostname },
    ...(credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.key }),
    ...trusting(caBundle),
    signal,
    agent,
  };
}

function send(asked: WebhookRequest, agent: Agent): ReturnType<CallWebhook> {
  const { request } = getBuiltinModule('node:https');
  return new Promise((resolve, reject) => {
    const sent = request(optionsOf(asked, agent), (answer) => {
      readAnswer(sent, answer, answerBytesMax, { resolve, reject });
    });
    sent.on('error', (error) => {
      const isLost = sent.reusedSocket && lostCodes.has(errorCode(error) ?? '');
      reject(isLost ? new LostConnectionError(error.message, { cause: error }) : error);
    });
    // Who switches to a protocol that nobody asked for is let go without an error.
    sent.on('close', () => reject(new Error('the connection was closed without an answer')));
    if (asked.method !== 'GET') sent.setHeader('content-type', 'application/json');
    sent.end(asked.body);
  });
}

const lostCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);
