// A shop that greets: what the example pipeline builds, tests and deploys. Its image is the folder with this file, whose name is the digest of its contents.
import { createServer } from 'node:http';
import { greeting } from './greeting.js';

const image = import.meta.url;
const counts = { requests: 0, failures: 0 };

const server = createServer((request, response) => {
  if (request.url === '/healthz') return response.end('ok\n');
  if (request.url === '/metrics')
    return response.end(`shop_requests_total ${counts.requests}\nshop_failures_total ${counts.failures}\n`);
  counts.requests++;
  try {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ greeting: greeting(process.env.STAGE), image }));
  } catch (error) {
    counts.failures++;
    response.writeHead(500).end(`${error.message}\n`);
  }
});
server.listen(8080);

// Requests that are under way are answered; their connections then close.
process.on('SIGTERM', () => server.close());
