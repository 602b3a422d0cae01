/** A stand-in for the images of web servers: answers at port 80 with a page, and with a picture's name where the image is one of pictures. */
import type { Program } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { serveOn } from './agnhost-network.ts';

export const program: Program = {
  main(context) {
    serveOn(context, 80, ({ url }) =>
      url.pathname === '/data.json'
        ? { status: 200, body: JSON.stringify({ image: `${context.env.PICTURE ?? 'nautilus'}.jpg` }) }
        : { status: 200, body: '<html><body><h1>It works!</h1></body></html>\n' },
    );
    return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve(0), { once: true }));
  },
};
