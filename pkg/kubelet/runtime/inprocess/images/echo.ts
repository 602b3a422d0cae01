/**
 * `coxswain.dev/echo`: an HTTP server that says who it is and what it was asked. Listens on `PORT` (8080). `/healthz` answers 200, and 500
 * after a `POST /fail`; `POST /exit?code=N` ends it; `/env` shows the environment.
 */
import type { Program } from '../program.ts';
import { portOf, reply, serveHttp, urlOf } from './serve.ts';

/** The image's program. */
export const program: Program = {
  main(context) {
    let healthy = true;
    return serveHttp(context, portOf(context, 'PORT', 8080), (request, response) => {
      const url = urlOf(request);
      context.log(`${request.method} ${request.url}`);
      if (url.pathname === '/healthz') return reply(response, healthy ? 200 : 500, healthy ? 'ok' : 'failing');
      if (request.method === 'POST' && url.pathname === '/fail') {
        healthy = false;
        return reply(response, 200, 'failing from now on\n');
      }
      if (request.method === 'POST' && url.pathname === '/exit') {
        response.on('finish', () => process.exit(Number(url.searchParams.get('code') ?? 0) & 255));
        return reply(response, 200, 'bye\n');
      }
      if (url.pathname === '/env')
        return reply(response, 200, JSON.stringify(context.env, null, 2), 'application/json');
      const text = context.env.MESSAGE ?? context.args.join(' ');
      const what = text === '' || text === undefined ? `${request.method} ${request.url}` : text;
      reply(response, 200, `${context.hostname} (${context.ip}) version ${context.imageTag}: ${what}\n`);
    });
  },
};
