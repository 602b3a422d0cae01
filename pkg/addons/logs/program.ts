/**
 * The image `coxswain.dev/logs`: collects the logs of a cluster into its volume, and answers at `/logs` whoever may read the logs that it asks for: a token of
 * the cluster in the header `Authorization` says who that is, and the API server whether it may.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { selfSubjectAccessReviews } from '#pkg/api/types/refs.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { reply, serveHttp, urlOf } from '#pkg/kubelet/runtime/inprocess/images/serve.ts';
import type { Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { podDeps, podTransport } from '../program-parts.ts';
import { collectLogs } from './collector.ts';
import { LogStore } from './log-store.ts';
import { dataFolder, logsPort } from './places.ts';
import { answerText, questionOf } from './questions.ts';

/** The image's program. */
export const program: Program = {
  async main(context) {
    const store = new LogStore({ folder: context.resolve(dataFolder) });
    const transport = podTransport(context);
    const { informers, clock, log } = podDeps(context, transport);
    try {
      const serving = serveHttp(context, logsPort, (request, response) => {
        answer(context, store, { request, response }).catch((error: unknown) => {
          if (!response.headersSent) reply(response, 500, `${errorText(error)}\n`);
        });
      });
      await Promise.all([serving, collectLogs({ transport, informers, store, clock, log }, context.signal)]);
    } finally {
      await transport.close();
    }
    return 0;
  },
};

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(context: ProgramContext, store: LogStore, { request, response }: Exchange): Promise<void> {
  const { pathname, searchParams } = urlOf(request);
  if (pathname === '/readyz') return reply(response, 200, 'ok');
  if (pathname !== '/logs') return reply(response, 404, 'there is /logs\n');
  const question = questionOf(searchParams);
  if (typeof question === 'string') return reply(response, 400, `${question}\n`);
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (token === undefined) return reply(response, 401, 'say who you are: a token in the header Authorization\n');
  const { namespace } = question.query;
  const allowed = await mayRead(context, token, namespace);
  if (allowed === undefined) return reply(response, 401, 'the token is none of this cluster\n');
  if (!allowed) {
    const where = namespace === undefined ? 'in all namespaces: name one' : `in the namespace ${namespace}`;
    return reply(response, 403, `you may not get pods/log ${where}\n`);
  }
  const lines = await store.find(question.query);
  const type = question.format === 'json' ? 'application/jsonl' : 'text/plain';
  return reply(response, 200, answerText(lines, question.format), type);
}

/** Whether who has the token may read logs of a namespace, or of all; undefined where the API server does not know the token. */
async function mayRead(
  context: ProgramContext,
  token: string,
  namespace: string | undefined,
): Promise<boolean | undefined> {
  const transport = podTransport(context, token);
  try {
    const client = createClient({ transport, userAgent: 'coxswain-addon/logs', clock: context.clock });
    const place = namespace === undefined ? {} : { namespace };
    const resourceAttributes = { verb: 'get', resource: 'pods', subresource: 'log', ...place };
    const review = await client.resource(selfSubjectAccessReviews).create({ spec: { resourceAttributes } });
    return review.status?.allowed === true;
  } catch (error) {
    if (error instanceof StatusError && error.code === 401) return undefined;
    throw error;
  } finally {
    await transport.close();
  }
}
