/** What the page asks for over HTTP, as an Express application: itself, sessions, the resources that there are, single objects and what may be done to them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Express, Request, RequestHandler, Response } from 'express';
import { badRequest, notFound, unauthorized } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { digText } from '#pkg/kubectl/api.ts';
import { Discovery } from '#pkg/kubectl/discovery.ts';
import { cookieOf, setCookie } from '../access/cookie.ts';
import { type Session, type Sessions, sessionEnds } from '../access/sessions.ts';
import type { SignInCode } from '../access/sign-in-code.ts';
import type { ResourceInfo, SessionInfo } from '../model/protocol.ts';
import type { Identities, Identity } from './identities.ts';
import { applyObject, deleteObject, type ObjectPlace, readObject } from './objects.ts';
import type { DashboardOptions } from './options.ts';
import { problemOf } from './problem.ts';
import { rolloutAction } from './rollouts.ts';
import { runAction } from './runs.ts';
import { steerTime } from './time.ts';

/** Largest body: a document that the API server would take, with room for its escapes. */
const bodyBytesMax = '8mb';

/** The options of the server, and what it has made. */
export interface RoutesOptions extends DashboardOptions {
  readonly port: number;
  readonly sessions: Sessions<Identity>;
  readonly identities: Identities;
  readonly code: SignInCode;
}

type Answer = (request: Request, response: Response, session: Session<Identity>) => Promise<unknown>;

/** Answers requests that are let through. Loads Express. */
export async function createRoutes(
  options: RoutesOptions,
): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const { default: express } = await import('express');
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', false);
  app.use('/api', express.json({ limit: bodyBytesMax }));
  addSession(app, options);
  const withSession =
    (answer: Answer): RequestHandler =>
    async (request, response) => {
      const session = options.sessions.find(cookieOf(options.port, request.headers.cookie));
      if (session === undefined) throw unauthorized();
      const value = await answer(request, response, session).catch((error: unknown) => {
        if (problemOf(error).status === 401) options.sessions.end(session, sessionEnds.refused);
        throw error;
      });
      response.json(value ?? {});
    };
  addObjects(app, withSession);
  app.get(
    '/api/resources',
    withSession((_request, _response, { holder }) => resourcesOf(holder)),
  );
  app.get(
    '/api/placement/:namespace/:name',
    withSession(({ params }, _response, { holder }) => {
      const [namespace, name] = [String(params.namespace), String(params.name)];
      return options.explain(holder.api, { namespace, name });
    }),
  );
  addActions(app, withSession, options);
  app.use('/api', (request: Request) => {
    throw notFound({ resource: 'pages', group: '' }, request.path);
  });
  app.use(express.static(options.assets, { index: 'index.html', redirect: false, cacheControl: false }));
  app.use((request: Request) => {
    throw notFound({ resource: 'pages', group: '' }, request.path);
  });
  app.use((error: { readonly status?: unknown }, _request: Request, response: Response, _next: unknown) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, problem } = readable(error);
    if (status === 500) options.log.error('Cannot answer the page', { error: errorText(error) });
    response.status(status).json(problem);
  });
  return app;
}

/** What Express itself cannot read, such as a body that is no JSON, has a status of 4xx. */
function readable(error: { readonly status?: unknown }): ReturnType<typeof problemOf> {
  const { status } = error;
  const isOfExpress = 'expose' in error && typeof status === 'number' && status < 500;
  if (!isOfExpress) return problemOf(error);
  return { status, problem: { message: `the request cannot be read: ${errorText(error)}` } };
}

function addSession(app: Express, options: RoutesOptions): void {
  const { sessions, identities, code, port, cluster } = options;
  const find = (request: Request): Session<Identity> | undefined =>
    sessions.find(cookieOf(port, request.headers.cookie));
  app.get('/api/session', (request, response) => {
    const session = find(request);
    const info: SessionInfo = { cluster, ...(session === undefined ? {} : { user: session.holder.user }) };
    response.json(info);
  });
  app.post('/api/session', async (request, response) => {
    const [token, given] = [digText(request.body, 'token').trim(), digText(request.body, 'code')];
    if ((token === '') === (given === '')) throw badRequest('sign in with a token, or with the code of the terminal');
    if (given !== '' && !code.take(given)) {
      response.status(401).json({ message: 'this is not the code that the terminal shows now' });
      return;
    }
    const identity =
      token === ''
        ? await identities.take('local', options.connectLocal)
        : await identities.take(`token ${token}`, () => options.connectWith(token));
    const before = find(request);
    if (before !== undefined) sessions.end(before, sessionEnds.signedOut);
    response.setHeader('set-cookie', setCookie(port, sessions.begin(identity)));
    const info: SessionInfo = { cluster, user: identity.user };
    response.json(info);
  });
  app.delete('/api/session', (request, response) => {
    const session = find(request);
    if (session !== undefined) sessions.end(session, sessionEnds.signedOut);
    response.setHeader('set-cookie', setCookie(port, undefined));
    response.json({ cluster });
  });
}

function addObjects(app: Express, withSession: (answer: Answer) => RequestHandler): void {
  const path = '/api/objects/:group/:version/:resource/:namespace/:name';
  app.get(
    path,
    withSession(({ params }, _response, { holder }) => readObject(holder.api, placeOf(params))),
  );
  app.delete(
    path,
    withSession(({ params }, _response, { holder }) => deleteObject(holder.api, placeOf(params))),
  );
  app.put(
    path,
    withSession(({ params, body }, _response, { holder }) => {
      const yaml = digText(body, 'yaml');
      const [force, dryRun] = [digText(body, 'force') === 'true', digText(body, 'dryRun') === 'true'];
      return applyObject(holder.api, placeOf(params), { yaml, force, dryRun });
    }),
  );
}

/** What can be done beside changing objects. */
function addActions(
  app: Express,
  withSession: (answer: Answer) => RequestHandler,
  { clock }: Pick<RoutesOptions, 'clock'>,
): void {
  app.post(
    '/api/rollouts',
    withSession(async ({ body }, _response, { holder: { api }, signal }) => {
      const [action, resource] = [digText(body, 'action'), digText(body, 'resource')];
      const [namespace, name] = [digText(body, 'namespace'), digText(body, 'name')];
      return { message: await rolloutAction({ api, clock, signal }, { action, resource, namespace, name }) };
    }),
  );
  app.post(
    '/api/runs',
    withSession(async ({ body }, _response, { holder: { api } }) => {
      const [action, step] = [digText(body, 'action'), digText(body, 'step')];
      const [namespace, name] = [digText(body, 'namespace'), digText(body, 'name')];
      return { message: await runAction(api, { action, namespace, name, step }) };
    }),
  );
  app.post(
    '/api/time',
    withSession(({ body }, _response, { holder }) => steerTime(holder.api, body)),
  );
}

/** A dash stands for the group without a name, and for no namespace. */
function placeOf(params: Request['params']): ObjectPlace {
  const text = (name: string): string => String(params[name]);
  const orNone = (name: string): string => (text(name) === '-' ? '' : text(name));
  const resource = { group: orNone('group'), version: text('version'), resource: text('resource') };
  return { resource, namespace: orNone('namespace'), name: text('name') };
}

/** What can be listed and watched, in the version that the server prefers. */
async function resourcesOf({ api }: Identity): Promise<readonly ResourceInfo[]> {
  const seen = new Set<string>();
  return (await new Discovery(api).mappings()).flatMap(({ group, version, resource, kind, namespaced, verbs }) => {
    const key = `${resource}.${group}`;
    if (seen.has(key) || !verbs.includes('list') || !verbs.includes('watch')) return [];
    seen.add(key);
    return [{ group, version, resource, kind, namespaced, verbs }];
  });
}
